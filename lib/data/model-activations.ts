/** Activations straight from a model, computed as they are asked for, in order or mixed. N rows, D width. */
import type { HookName } from '../core/hooks.js'
import { checkOptions, type OptionNames } from '../errors/options.js'
import type { JsonObject } from '../report/result/json.js'
import type { ActivationBatch, ActivationData } from './activation-data.js'
import { activationsAt, tokenPoint, widthOf, type ActivationModel } from './activation-run.js'
import { keeps, keptTokens, specialIds, type ExcludedTokens, type Keeps } from './excluded-tokens.js'
import { batchOptionNames, batchPlan, mixedBatches, type ActivationBatchOptions } from './mixing.js'
import type { Chunk } from './row-buffer.js'
import type { DataPosition, TokenData } from './token-data.js'

/** Which activations are taken, and in which order. */
export interface ModelActivationOptions extends ActivationBatchOptions {
  /** The hook point, of shape [B,P,…]. */
  readonly hook: HookName
  /** Tokens to leave out, padding always being one. @default 'none' */
  readonly exclude?: ExcludedTokens
}

const optionNames: OptionNames<ModelActivationOptions> = { ...batchOptionNames, hook: true, exclude: true }

/** The start of the data, as a place that can be told from none. */
const atStart: DataPosition = { start: true }

/**
 * The activations of one hook point over a data set, run as they are needed: nothing is written. The model runs on one
 * batch of `data` at a time; a place to continue from makes it run again on those whose rows the buffer held.
 *
 * @example await modelActivations(model, data, { hook: 'blocks.2.hook_resid_pre', shuffle: { seed: 1 } })
 * @throws ArgumentError, HookError before the data is read
 */
export async function modelActivations(
  view: ActivationModel,
  data: TokenData,
  options: ModelActivationOptions,
): Promise<ActivationData> {
  checkOptions('modelActivations', options, optionNames)
  const { hook, exclude = 'none' } = options
  const width = widthOf(tokenPoint('modelActivations', view, hook))
  const plan = batchPlan('modelActivations', options)
  const keep = keeps('modelActivations', exclude, specialIds(view.tokenizer))
  const chunks = (from?: DataPosition) => run({ view, hook, keep }, data, from)
  const provenance = JSON.parse(JSON.stringify(await view.provenance())) as JsonObject
  const { rows, mixing } = plan
  const about = { model: provenance, data: data.about, hook, exclude, rows }
  return {
    width,
    about: { ...about, ...(mixing && { shuffle: { ...mixing } }) },
    batches: (from): AsyncIterable<ActivationBatch> => mixedBatches({ chunks, width }, plan, from),
  }
}

/** What is run. */
interface Runner {
  readonly view: ActivationModel
  readonly hook: string
  readonly keep: Keeps
}

async function* run(
  { view, hook, keep }: Runner,
  data: TokenData,
  from: DataPosition = atStart,
): AsyncGenerator<Chunk> {
  let at = from
  for await (const batch of data.batches(from['start'] === true ? undefined : from)) {
    const { index } = keptTokens(batch, keep)
    const [values = new Float32Array(0)] = await activationsAt(view, batch.tokens, { names: [hook], index })
    yield { values, at, next: batch.next }
    at = batch.next
  }
}
