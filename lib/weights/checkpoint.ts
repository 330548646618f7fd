/** All tensors of a model folder behind one interface, whether they lie in one safetensors file or in shards. */
import { FileError } from '../errors.js'
import { didYouMean } from '../nearest.js'
import { isJsonObject, parseJsonWithUniqueKeys } from './json-file.js'
import { SafetensorsFile, type HostTensor, type TensorInfo } from './safetensors.js'
import type { Source } from './source.js'
import { brief, fewNames, pathTrick } from './untrusted.js'

const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'

/** All tensors of a model folder: `model.safetensors`, or the shards of `model.safetensors.index.json`. */
export interface Checkpoint {
  /** The weight files, sorted. */
  readonly files: readonly string[]
  readonly infos: ReadonlyMap<string, TensorInfo>
  /** Throws FileError when there is no such tensor. */
  read(name: string): Promise<HostTensor>
  /** The SHA-256 of each weight file, in hex. Reads all bytes once, a little at a time. */
  fileHashes(): Promise<Record<string, string>>
  close(): Promise<void>
}

/**
 * Opens the weights of a model folder and checks all headers, reading no tensor yet. Throws FileError when there are
 * none, when a file is damaged, or when index and shards do not agree.
 */
export async function openCheckpoint(source: Source): Promise<Checkpoint> {
  if (await source.has(SINGLE)) return openFiles(source, [SINGLE])
  if (await source.has(INDEX)) return openSharded(source)
  throw await noWeights(source)
}

async function openSharded(source: Source): Promise<Checkpoint> {
  const weightMap = await readWeightMap(source)
  const files = [...new Set(weightMap.values())].sort()
  for (const file of files) {
    if (!(await source.has(file))) {
      const lost = [...weightMap].filter(([, shard]) => shard === file).length
      throw indexError(
        source,
        `shard '${brief(file)}', with ${lost} tensors, is missing`,
        'All shards must lie beside the index',
      )
    }
  }
  const checkpoint = await openFiles(source, files)
  try {
    checkAgreement(source, weightMap, checkpoint)
    return checkpoint
  } catch (error) {
    await checkpoint.close()
    throw error
  }
}

/** Tensor name → shard name, from the index. */
async function readWeightMap(source: Source): Promise<Map<string, string>> {
  const index = parseJsonWithUniqueKeys(await source.readText(INDEX), `read ${source.id}/${INDEX}`)
  const weightMap = isJsonObject(index) ? index['weight_map'] : undefined
  if (!isJsonObject(weightMap) || Object.keys(weightMap).length === 0) {
    throw indexError(source, "it has no tensors in 'weight_map'", 'An object of tensor name to file name is needed')
  }
  for (const [name, shard] of Object.entries(weightMap)) {
    const wrong = typeof shard === 'string' ? pathTrick(shard) : 'not a text'
    if (wrong === undefined) continue
    const what = `the shard of '${brief(name)}' is '${brief(shard)}' (${wrong})`
    throw indexError(source, what, 'A plain name of a file beside the index is needed')
  }
  return new Map(Object.entries(weightMap as Record<string, string>))
}

async function openFiles(source: Source, files: readonly string[]): Promise<OpenCheckpoint> {
  const opened = new Map<string, SafetensorsFile>()
  try {
    for (const file of files) opened.set(file, await SafetensorsFile.open(await source.open(file)))
    return new OpenCheckpoint(source, opened)
  } catch (error) {
    await closeAll(opened.values())
    throw error
  }
}

class OpenCheckpoint implements Checkpoint {
  readonly files: readonly string[]
  readonly infos: ReadonlyMap<string, TensorInfo>
  readonly #source: Source
  readonly #opened: ReadonlyMap<string, SafetensorsFile>
  readonly #fileOf = new Map<string, string>()

  constructor(source: Source, opened: ReadonlyMap<string, SafetensorsFile>) {
    this.#source = source
    this.#opened = opened
    this.files = [...opened.keys()]
    const infos = new Map<string, TensorInfo>()
    for (const [file, { infos: ofFile }] of opened) {
      for (const [name, info] of ofFile) {
        this.#refuseSecond(name, file)
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
    const file = this.#fileOf.get(name)
    if (file === undefined) {
      const hint = didYouMean(name, this.infos.keys())
      throw new FileError(`read ${this.#source.id}: no tensor '${name}' (it holds ${this.infos.size}).${hint}`)
    }
    return this.#opened.get(file)!.read(name)
  }

  async fileHashes(): Promise<Record<string, string>> {
    const hashes: Record<string, string> = {}
    for (const file of this.files) hashes[file] = await this.#source.sha256(file)
    return hashes
  }

  async close(): Promise<void> {
    await closeAll(this.#opened.values())
  }

  #refuseSecond(name: string, file: string): void {
    const first = this.#fileOf.get(name)
    if (first === undefined) return
    const what = `tensor '${brief(name)}' lies in two shards, '${brief(first)}' and '${brief(file)}'`
    throw indexError(this.#source, what, 'Each tensor must lie in one')
  }
}

/** The index and the shards must name the same tensors in the same places: else a file is stale or of another model. */
function checkAgreement(source: Source, weightMap: ReadonlyMap<string, string>, checkpoint: OpenCheckpoint): void {
  for (const [name, shard] of weightMap) {
    const there = checkpoint.fileOf(name)
    if (there === shard) continue
    const instead = there === undefined ? 'it is in no shard' : `it is in '${brief(there)}'`
    throw indexError(
      source,
      `tensor '${brief(name)}' should be in '${brief(shard)}', but ${instead}`,
      'Index and shards must agree',
    )
  }
  const extra = [...checkpoint.infos.keys()].filter((name) => !weightMap.has(name))
  if (extra.length > 0) {
    const what = `the shards hold ${extra.length} tensors that the index lacks: ${fewNames(extra)}`
    throw indexError(source, what, 'Index and shards must agree')
  }
}

async function noWeights(source: Source): Promise<FileError> {
  const files = await source.list()
  const pickled = files.filter((file) => /\.(bin|pth|pt|ckpt)$/.test(file))
  const right =
    pickled.length === 0
      ? `The folder holds ${fewNames(files)}.`
      : `The folder has ${fewNames(pickled)}, which cannot be read yet: save the model as safetensors.`
  return new FileError(`openCheckpoint: no ${SINGLE} and no ${INDEX} in '${source.id}'. ${right}`)
}

async function closeAll(files: Iterable<SafetensorsFile>): Promise<void> {
  for (const file of files) await file.close()
}

function indexError(source: Source, what: string, right: string): FileError {
  return new FileError(`open ${source.id}/${INDEX}: ${what}. ${right}.`)
}
