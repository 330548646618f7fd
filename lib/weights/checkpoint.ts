/** All tensors of a model folder behind one interface, whether they lie in one file or in shards, safetensors or torch.save. */
import type * as tf from '@tensorflow/tfjs'
import { FileError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { isJsonObject, parseJsonWithUniqueKeys } from '../files/json-file.js'
import { SafetensorsFile, type HostTensor, type TensorInfo } from './formats/safetensors.js'
import type { Source } from './source.js'
import { StateDictFile } from './formats/state-dict.js'
import { pathTrick } from '../files/path-trick.js'
import { brief, fewNames } from '../errors/brief.js'

/** Where weights may lie, by preference: a file, or an index that names its shards. */
const places = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'model_final.pth',
] as const

/** All tensors of a model folder: `model.safetensors`, its shards, or the same as torch.save writes them. */
export interface Checkpoint {
  /** The weight files, sorted. */
  readonly files: readonly string[]
  readonly infos: ReadonlyMap<string, TensorInfo>
  /** Throws FileError when there is no such tensor. */
  read(name: string): Promise<HostTensor>
  /** The tensor itself, where it need not be read (mapped.ts); the caller owns it. Throws FileError as `read`. */
  map(name: string): tf.Tensor | undefined
  /** The SHA-256 of each weight file, in hex. Reads all bytes once, a little at a time. */
  fileHashes(): Promise<Record<string, string>>
  close(): Promise<void>
}

/**
 * Opens the weights of a model folder and checks all headers, reading no tensor yet. Throws FileError when there are
 * none, when a file is damaged, or when index and shards do not agree.
 */
export async function openCheckpoint(source: Source): Promise<Checkpoint> {
  for (const place of places) {
    if (!(await source.has(place))) continue
    return place.endsWith('.json') ? openSharded(source, place) : openFiles(source, [place])
  }
  throw await noWeights(source)
}

async function openSharded(source: Source, index: string): Promise<Checkpoint> {
  const weightMap = await readWeightMap(source, index)
  const files = [...new Set(weightMap.values())].sort()
  for (const file of files) {
    if (!(await source.has(file))) {
      const lost = [...weightMap].filter(([, shard]) => shard === file).length
      throw indexError(
        `${source.id}/${index}`,
        `shard '${brief(file)}', with ${lost} tensors, is missing`,
        'All shards must lie beside the index',
      )
    }
  }
  const checkpoint = await openFiles(source, files, index)
  try {
    checkAgreement(`${source.id}/${index}`, weightMap, checkpoint)
    return checkpoint
  } catch (error) {
    await checkpoint.close()
    throw error
  }
}

/** Tensor name → shard name, from the index. */
async function readWeightMap(source: Source, file: string): Promise<Map<string, string>> {
  const place = `${source.id}/${file}`
  const index = parseJsonWithUniqueKeys(await source.readText(file), `read ${place}`)
  const weightMap = isJsonObject(index) ? index['weight_map'] : undefined
  if (!isJsonObject(weightMap) || Object.keys(weightMap).length === 0) {
    throw indexError(place, "it has no tensors in 'weight_map'", 'An object of tensor name to file name is needed')
  }
  for (const [name, shard] of Object.entries(weightMap)) {
    const wrong = typeof shard === 'string' ? pathTrick(shard) : 'not a text'
    if (wrong === undefined) continue
    const what = `the shard of '${brief(name)}' is '${brief(shard)}' (${wrong})`
    throw indexError(place, what, 'A plain name of a file beside the index is needed')
  }
  return new Map(Object.entries(weightMap as Record<string, string>))
}

/** One file of weights, of either kind. */
type WeightFile = Pick<SafetensorsFile, 'infos' | 'read' | 'close'> & Partial<Pick<SafetensorsFile, 'map'>>

async function openFiles(source: Source, files: readonly string[], index?: string): Promise<OpenCheckpoint> {
  const opened = new Map<string, WeightFile>()
  try {
    for (const file of files) opened.set(file, await openFile(source, file))
    return new OpenCheckpoint(source, opened, index)
  } catch (error) {
    await closeAll(opened.values())
    throw error
  }
}

async function openFile(source: Source, name: string): Promise<WeightFile> {
  const file = await source.open(name)
  return name.endsWith('.safetensors') ? SafetensorsFile.open(file) : StateDictFile.open(file)
}

class OpenCheckpoint implements Checkpoint {
  readonly files: readonly string[]
  readonly infos: ReadonlyMap<string, TensorInfo>
  readonly #source: Source
  readonly #opened: ReadonlyMap<string, WeightFile>
  readonly #fileOf = new Map<string, string>()

  constructor(source: Source, opened: ReadonlyMap<string, WeightFile>, index = '') {
    this.#source = source
    this.#opened = opened
    this.files = [...opened.keys()]
    const infos = new Map<string, TensorInfo>()
    for (const [file, { infos: ofFile }] of opened) {
      for (const [name, info] of ofFile) {
        this.#refuseSecond(name, file, `${source.id}/${index}`)
        this.#fileOf.set(name, file)
        infos.set(name, info)
      }
    }
    this.infos = infos
  }

  fileOf(name: string): string | undefined {
    return this.#fileOf.get(name)
  }

  async read(name: string): Promise<HostTensor> {
    return this.#holderOf(name).read(name)
  }

  map(name: string): tf.Tensor | undefined {
    return this.#holderOf(name).map?.(name)
  }

  #holderOf(name: string): WeightFile {
    const file = this.#fileOf.get(name)
    if (file === undefined) {
      const hint = didYouMean(name, this.infos.keys())
      throw new FileError(`read ${this.#source.id}: no tensor '${name}' (it holds ${this.infos.size}).${hint}`)
    }
    return this.#opened.get(file)!
  }

  async fileHashes(): Promise<Record<string, string>> {
    const hashes: Record<string, string> = {}
    for (const file of this.files) hashes[file] = await this.#source.sha256(file)
    return hashes
  }

  async close(): Promise<void> {
    await closeAll(this.#opened.values())
  }

  #refuseSecond(name: string, file: string, place: string): void {
    const first = this.#fileOf.get(name)
    if (first === undefined) return
    const what = `tensor '${brief(name)}' lies in two shards, '${brief(first)}' and '${brief(file)}'`
    throw indexError(place, what, 'Each tensor must lie in one')
  }
}

/** The index and the shards must name the same tensors in the same places: else a file is stale or of another model. */
function checkAgreement(place: string, weightMap: ReadonlyMap<string, string>, checkpoint: OpenCheckpoint): void {
  for (const [name, shard] of weightMap) {
    const there = checkpoint.fileOf(name)
    if (there === shard) continue
    const instead = there === undefined ? 'it is in no shard' : `it is in '${brief(there)}'`
    throw indexError(
      place,
      `tensor '${brief(name)}' should be in '${brief(shard)}', but ${instead}`,
      'Index and shards must agree',
    )
  }
  const extra = [...checkpoint.infos.keys()].filter((name) => !weightMap.has(name))
  if (extra.length > 0) {
    const what = `the shards hold ${extra.length} tensors that the index lacks: ${fewNames(extra)}`
    throw indexError(place, what, 'Index and shards must agree')
  }
}

async function noWeights(source: Source): Promise<FileError> {
  return new FileError(
    `openCheckpoint: no weights in '${source.id}', which holds ${fewNames(await source.list())}. One of ${places.join(', ')} is needed.`,
  )
}

async function closeAll(files: Iterable<WeightFile>): Promise<void> {
  for (const file of files) await file.close()
}

function indexError(place: string, what: string, right: string): FileError {
  return new FileError(`open ${place}: ${what}. ${right}.`)
}
