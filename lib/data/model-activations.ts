/** Activations straight from a model, computed as they are asked for, in order or mixed. N rows, D width. */
import { ArgumentError } from '../errors/errors.js'
import type { HookName } from '../core/hooks.js'
import type { JsonObject } from '../report/result/json.js'
import type { HookedModel } from '../model.js'
import type { ActivationBatch, ActivationData } from './activation-data.js'
import { activationsAt, hookSites, widthOf } from './activation-run.js'
import { keeps, sitesOf, specialIds, type Exclude, type Keeps } from './excluded.js'
import { batchPlan, mixedBatches, type BatchOptions } from './mixing.js'
import type { Chunk } from './row-buffer.js'
import type { DataPosition, TokenData } from './token-data.js'

export interface ModelActivationOptions extends BatchOptions {
  /** Tokens to leave out beside padding. @default 'none' */
  readonly exclude?: Exclude
}

/** The start of the data, as a place that can be told from none. */
const atStart: DataPosition = { start: true }

/**
 * The activations of one hook point over a data set, run as they are needed: nothing is written. The model runs on one
 * batch of `data` at a time; a place to go on from makes it run again on those whose rows the buffer held.
 *
 * `await modelActivations(model, data, 'blocks.2.hook_resid_pre', { shuffle: { seed: 1 } })`
 * @throws ArgumentError, HookError before the data is read
 */
export async function modelActivations(
  view: HookedModel,
  data: TokenData,
  hook: HookName,
  options: ModelActivationOptions = {},
): Promise<ActivationData> {
  if (typeof hook !== 'string') {
    throw new ArgumentError(`modelActivations: hook is ${JSON.stringify(hook)}. Name one hook point.`)
  }
  const plan = batchPlan('modelActivations', options)
  const { exclude = 'none' } = options
  const keep = keeps('modelActivations', exclude, specialIds(view.tokenizer))
  const width = widthOf(hookSites('modelActivations', view, hook)[0]!)
  const chunks = (from?: DataPosition) => run(view, data, hook, keep, from)
  const provenance = JSON.parse(JSON.stringify(await view.provenance())) as JsonObject
  const { rows, mixing } = plan
  const about = { model: provenance, data: data.about, hook, exclude, rows }
  return {
    width,
    about: { ...about, ...(mixing && { shuffle: { ...mixing } }) },
    batches: (from): AsyncIterable<ActivationBatch> => mixedBatches(chunks, width, plan, from),
  }
}

async function* run(
  view: HookedModel,
  data: TokenData,
  hook: string,
  keep: Keeps,
  from: DataPosition = atStart,
): AsyncGenerator<Chunk> {
  let at = from
  for await (const batch of data.batches(from === atStart || from['start'] === true ? undefined : from)) {
    const { index } = sitesOf(batch, keep)
    const [values] = await activationsAt(view, batch.tokens, [hook], index)
    yield { values: values!, at, next: batch.next }
    at = batch.next
  }
}
