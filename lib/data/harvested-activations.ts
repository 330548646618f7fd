/** A harvest read back as batches of activations, in order or mixed, in bounded memory. N rows, D width. */
import { FileError, HookError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { checkOptions, type OptionNames } from '../errors/options.js'
import type { JsonObject } from '../report/result/json.js'
import { random } from '../stats/random.js'
import { SafetensorsFile } from '../weights/formats/safetensors.js'
import { folderSource, type Source } from '../weights/source.js'
import { fewNames } from '../errors/brief.js'
import type { ActivationBatch, ActivationData } from './activation-data.js'
import { widthOf } from './activation-run.js'
import { keeps, type ExcludedTokens, type Keeps } from './excluded-tokens.js'
import { readManifest, type HarvestManifest, type HarvestShard } from './harvest-manifest.js'
import { batchOptionNames, batchPlan, mixedBatches, type ActivationBatchOptions } from './mixing.js'
import type { Chunk } from './row-buffer.js'
import type { DataPosition } from './token-data.js'

/** Which activations of a harvest are read, and in which order. */
export interface HarvestedOptions extends ActivationBatchOptions {
  /** One of the hook points that were harvested. */
  readonly hook: string
  /** Tokens to leave out, besides those that the harvest left out. @default 'none' */
  readonly exclude?: ExcludedTokens
}

const optionNames: OptionNames<HarvestedOptions> = { ...batchOptionNames, hook: true, exclude: true }

/** Some rows of a shard, read together. */
interface Window {
  readonly shard: HarvestShard
  readonly begin: number
  readonly end: number
}

/**
 * The activations of one hook point of a harvest. With `shuffle` pieces of the shards of one batch's length are read in
 * random order, and mixed in a buffer.
 *
 * @example await harvestedActivations('acts', { hook: 'blocks.2.hook_resid_pre', shuffle: { seed: 1 } })
 * @throws FileError where the folder holds no harvest, HookError for a hook point that was not harvested, ArgumentError
 */
export async function harvestedActivations(folder: string, options: HarvestedOptions): Promise<ActivationData> {
  checkOptions('harvestedActivations', options, optionNames)
  const { hook, exclude = 'none' } = options
  const plan = batchPlan('harvestedActivations', options)
  const source = await folderSource(folder)
  const manifest = await readManifest(source)
  const shape = shapeOf(manifest, hook, folder)
  const keep = keeps('harvestedActivations', exclude, manifest.special)
  const width = widthOf({ shape })
  const windows = windowsOf(manifest, plan.rows, plan.mixing?.seed)
  const reader = { source, hook, keep, width }
  const chunks = (from?: DataPosition) => read(reader, windows, Number(from?.['window'] ?? 0))
  const { rows, mixing } = plan
  const about = { harvest: manifest.config as JsonObject, hook, exclude, rows, tokens: manifest.tokens }
  return {
    width,
    about: { ...about, ...(mixing && { shuffle: { ...mixing } }) },
    batches: (from): AsyncIterable<ActivationBatch> => mixedBatches({ chunks, width }, plan, from),
  }
}

/** The axes of one token's activation at a hook point of a harvest. */
function shapeOf({ config: { hooks } }: HarvestManifest, hook: string, folder: string): readonly number[] {
  const shape = Object.hasOwn(hooks, hook) ? hooks[hook] : undefined
  if (shape) return shape
  const names = Object.keys(hooks)
  const hint = typeof hook === 'string' ? didYouMean(hook, names) : ''
  throw new HookError(`harvestedActivations: '${folder}' has no '${hook}'. It holds ${fewNames(names)}.${hint}`)
}

function windowsOf({ shards }: HarvestManifest, rows: number, seed: number | undefined): Window[] {
  const windows = shards.flatMap((shard) =>
    Array.from({ length: Math.ceil(shard.tokens / rows) }, (_, i) => ({
      shard,
      begin: i * rows,
      end: Math.min(shard.tokens, (i + 1) * rows),
    })),
  )
  return seed === undefined ? windows : random(seed).shuffle(windows)
}

/** What is read of a harvest. */
interface Reader {
  readonly source: Source
  readonly hook: string
  readonly keep: Keeps
  readonly width: number
}

async function* read(reader: Reader, windows: readonly Window[], from: number): AsyncGenerator<Chunk> {
  for (const [i, window] of windows.slice(from).entries()) {
    yield { values: await readWindow(reader, window), at: { window: from + i }, next: { window: from + i + 1 } }
  }
}

async function readWindow({ source, hook, keep, width }: Reader, { shard, begin, end }: Window): Promise<Float32Array> {
  const file = await SafetensorsFile.open(await source.open(shard.file))
  try {
    const { values } = await file.readRows(hook, begin, end)
    if (!(values instanceof Float32Array) || values.length !== (end - begin) * width) {
      throw new FileError(`read ${source.id}/${shard.file}: '${hook}' is not [N,${width}] as the manifest says.`)
    }
    const ids = (await file.readRows('tokens', begin, end)).values
    const positions = (await file.readRows('positions', begin, end)).values
    return keptRows(values, width, (row) => keep(ids[row] ?? NaN, positions[row] ?? NaN))
  } finally {
    await file.close()
  }
}

/** Moves the rows that are kept to the front. */
function keptRows(values: Float32Array, width: number, keep: (row: number) => boolean): Float32Array {
  let kept = 0
  for (let row = 0; row < values.length / width; row++) {
    if (keep(row)) values.copyWithin(kept++ * width, row * width, (row + 1) * width)
  }
  return values.subarray(0, kept * width)
}
