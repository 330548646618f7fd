/** Runs that unembed what is wanted of them and nothing else. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../errors/errors.js'
import { makeAt } from './hooks.js'
import { bindMetric, type AnyMetric, type MetricContext, type MetricFunction } from './metrics.js'
import { isAfterBlocks } from '../transformer/hook-names.js'
import { partialLogits } from './metric-inputs.js'
import { checkTokenIds } from '../tokens/token-ids.js'
import { columnsOf, type Columns } from '../transformer/unembed.js'
import { blocksNeeded, viewTaps, type LoadedModel, type View } from './view.js'

export interface Readout extends Disposable {
  /** Of the run's output: logits [B,P,V], or the residual stream [B,P,D] where the run stops before the final norm. */
  readonly metric: MetricFunction
  /** Where the run stops for it. */
  readonly stopAt: number | undefined
}

/** The logits that a run is to give. */
export interface WantedLogits extends Disposable {
  /** Where the run may stop for it. */
  readonly stopAt: number | undefined
  /** What it is to unembed. */
  readonly columns: Columns | undefined
  /** What is wanted of the run's output; undefined where the logits are left out. */
  of(output: tf.Tensor3D): tf.Tensor3D | undefined
}

/**
 * @param names hook points that are looked at in the run
 * @throws ArgumentError for ids that are no tokens, and for those of a view that has no logits
 */
export function wantedLogits(
  model: LoadedModel,
  view: View,
  names: readonly string[],
  logits: boolean | readonly number[] = true,
): WantedLogits {
  const nothing = { stopAt: undefined, columns: undefined, [Symbol.dispose]: () => undefined }
  if (logits === true) return { ...nothing, of: (output) => output }
  if (logits === false) return { ...nothing, stopAt: blocksNeeded(names), of: (output) => void output.dispose() }
  checkTokenIds('runWithCache', logits, { dVocab: model.config.dVocab, name: model.name })
  if (view.stopAt !== undefined || logits.length === 0) {
    const why = logits.length === 0 ? 'logits is an empty list' : `this view stops at layer ${view.stopAt}`
    throw new ArgumentError(`runWithCache: ${why}, so there are no logits of tokens. Use { logits: false }.`)
  }
  if (listens(view, names, (name) => name === 'unembed.hook_out'))
    return { ...nothing, of: (output) => selected(output, logits) }
  const columns = columnsOf(model.weights, logits)
  return { ...nothing, columns, of: (output) => output, [Symbol.dispose]: () => columns[Symbol.dispose]() }
}

/** Columns of whole logits, which are disposed. */
function selected(whole: tf.Tensor3D, ids: readonly number[]): tf.Tensor3D {
  const some = tf.tidy(() => tf.gather(whole, tf.tensor1d([...ids], 'int32'), 2))
  whole.dispose()
  return some
}

/** Whether anyone reads or replaces a point of this kind. */
function listens(view: View, names: readonly string[], isPoint: (name: string) => boolean): boolean {
  return [...names, ...view.hooks.map(({ name }) => name)].some(isPoint)
}

/**
 * A metric for a backward pass: where it says what it reads, nothing else is unembedded.
 * @param names hook points that are looked at in the run
 */
export function readout(
  model: LoadedModel,
  view: View,
  metric: AnyMetric,
  context: MetricContext,
  names: readonly string[],
): Readout {
  const bound = bindMetric(metric, context)
  const behindBlocks = listens(view, names, isAfterBlocks)
  const reading = typeof metric === 'function' || behindBlocks ? undefined : metric.reading?.(context)
  if (!reading) return { metric: bound, stopAt: undefined, [Symbol.dispose]: () => undefined }
  const columns = reading.columns && columnsOf(model.weights, reading.columns)
  const taps = viewTaps(view, [])
  const prompts = context.tokens.rows.map((_, b) => b)
  const rows = { prompts, begin: 0 }
  return {
    metric: (resid) => reading.of(partialLogits(resid, { model, reading, columns, rows }, makeAt(taps)), prompts),
    stopAt: model.config.nLayers,
    [Symbol.dispose]: () => columns?.[Symbol.dispose](),
  }
}
