/** A metric for a backward pass: where it says what it reads, nothing else is unembedded. */
import { makeAt } from './hooks.js'
import { bindMetric, type AnyMetric, type MetricContext, type MetricFunction } from './metrics.js'
import { readLogits } from './sweep/reads.js'
import { columnsOf } from './unembed.js'
import { viewTaps, type LoadedModel, type View } from './view.js'

export interface Readout extends Disposable {
  /** Of the run's output: logits [B,P,V], or the residual stream [B,P,D] where the run stops before the final norm. */
  readonly metric: MetricFunction
  /** Where the run stops for it. */
  readonly stopAt: number | undefined
}

/** @param names hook points that are looked at in the run */
export function readout(
  model: LoadedModel,
  view: View,
  metric: AnyMetric,
  context: MetricContext,
  names: readonly string[],
): Readout {
  const bound = bindMetric(metric, context)
  const behindBlocks = [...names, ...view.hooks.map(({ name }) => name)].some((n) => /^(ln_final|unembed)\./.test(n))
  const reading = typeof metric === 'function' || behindBlocks ? undefined : metric.reading?.(context)
  if (!reading) return { metric: bound, stopAt: undefined, [Symbol.dispose]: () => undefined }
  const columns = reading.columns && columnsOf(model.weights, reading.columns)
  const taps = viewTaps(view, [])
  const prompts = context.tokens.rows.map((_, b) => b)
  const rows = { prompts, begin: 0, count: context.tokens.positions }
  return {
    metric: (resid) => reading.of(readLogits({ model, reading, columns }, rows, resid, makeAt(taps)), prompts),
    stopAt: model.config.nLayers,
    [Symbol.dispose]: () => columns?.[Symbol.dispose](),
  }
}
