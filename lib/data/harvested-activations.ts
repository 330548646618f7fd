/** A harvest read back as batches of activations, in order or mixed, in bounded memory. N rows, D width. */
import { FileError, HookError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import type { JsonObject } from '../report/result/json.js'
import { random } from '../stats/random.js'
import { SafetensorsFile } from '../weights/formats/safetensors.js'
import { folderSource, type Source } from '../weights/source.js'
import { fewNames } from '../errors/brief.js'
import type { ActivationBatch, ActivationData } from './activation-data.js'
import { widthOf } from './activation-run.js'
import { keeps, type Exclude, type Keeps } from './excluded.js'
import { readManifest, type Manifest, type Shard } from './harvest-manifest.js'
import { batchPlan, mixedBatches, type BatchOptions } from './mixing.js'
import type { Chunk } from './row-buffer.js'
import type { DataPosition } from './token-data.js'

export interface HarvestedOptions extends BatchOptions {
  /** Tokens to leave out beside those that the harvest left out. @default 'none' */
  readonly exclude?: Exclude
}

/** Some rows of a shard, read together. */
interface Window {
  readonly shard: Shard
  readonly begin: number
  readonly end: number
}

/**
 * The activations of one hook point of a harvest. With `shuffle` pieces of the shards of one batch's length are read in
 * random order, and mixed in a buffer.
 *
 * `await harvestedActivations('acts', 'blocks.2.hook_resid_pre', { shuffle: { seed: 1 } })`
 * @throws FileError where the folder holds no harvest, HookError for a hook point that was not harvested, ArgumentError
 */
export async function harvestedActivations(
  folder: string,
  hook: string,
  options: HarvestedOptions = {},
): Promise<ActivationData> {
  const plan = batchPlan('harvestedActivations', options)
  const source = await folderSource(folder)
  const manifest = await readManifest(source)
  const { hooks } = manifest.config
  if (!Object.hasOwn(hooks, hook)) {
    throw new HookError(
      `harvestedActivations: '${folder}' has no '${hook}'. It holds ${fewNames(Object.keys(hooks))}.${didYouMean(hook, Object.keys(hooks))}`,
    )
  }
  const { exclude = 'none' } = options
  const keep = keeps('harvestedActivations', exclude, manifest.special)
  const width = widthOf({ name: hook, shape: hooks[hook]! })
  const windows = windowsOf(manifest, plan.rows, plan.mixing?.seed)
  const chunks = (from?: DataPosition) => read(source, hook, windows, keep, width, Number(from?.['window'] ?? 0))
  const { rows, mixing } = plan
  const about = { harvest: manifest.config as JsonObject, hook, exclude, rows, tokens: manifest.tokens }
  return {
    width,
    about: { ...about, ...(mixing && { shuffle: { ...mixing } }) },
    batches: (from): AsyncIterable<ActivationBatch> => mixedBatches(chunks, width, plan, from),
  }
}

function windowsOf({ shards }: Manifest, rows: number, seed: number | undefined): Window[] {
  const windows = shards.flatMap((shard) =>
    Array.from({ length: Math.ceil(shard.tokens / rows) }, (_, i) => ({
      shard,
      begin: i * rows,
      end: Math.min(shard.tokens, (i + 1) * rows),
    })),
  )
  return seed === undefined ? windows : random(seed).shuffle(windows)
}

async function* read(
  source: Source,
  hook: string,
  windows: readonly Window[],
  keep: Keeps,
  width: number,
  from: number,
): AsyncGenerator<Chunk> {
  for (let number = from; number < windows.length; number++) {
    const values = await readWindow(source, hook, windows[number]!, keep, width)
    yield { values, at: { window: number }, next: { window: number + 1 } }
  }
}

async function readWindow(
  source: Source,
  hook: string,
  { shard, begin, end }: Window,
  keep: Keeps,
  width: number,
): Promise<Float32Array> {
  const file = await SafetensorsFile.open(await source.open(shard.file))
  try {
    const { values } = await file.readRows(hook, begin, end)
    if (!(values instanceof Float32Array) || values.length !== (end - begin) * width) {
      throw new FileError(`read ${source.id}/${shard.file}: '${hook}' is not [N,${width}] as the manifest says.`)
    }
    const ids = (await file.readRows('tokens', begin, end)).values
    const positions = (await file.readRows('positions', begin, end)).values
    return keptRows(values, width, (row) => keep(ids[row]!, positions[row]!))
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
