/** How a sweep's metric is computed: from what it reads alone, or as a function of whole logits. */
import { ArgumentError } from '../../errors/errors.js'
import { checkHookName } from '../../core/hook-filters.js'
import type { HookedView } from '../../core/hooked-view.js'
import type { AnyMetric, MetricFunction, Reading } from '../../core/metrics.js'
import type { SweepSubject } from '../subject.js'

/** What the metric reads, or a function from logits [B,P,V] of all prompts to one number a prompt, or one. */
export type SweepMetric =
  | { readonly reading: Reading; readonly onLogits: undefined }
  | { readonly reading: undefined; readonly onLogits: MetricFunction }

/** @throws ArgumentError, TokenError, HookError for a metric that is none, or not of these prompts or this view */
export function sweepMetric(
  metric: AnyMetric,
  { model, view, points, tokens }: SweepSubject,
  host: Pick<HookedView, 'bindMetric' | 'metricContext'>,
): SweepMetric {
  if (typeof metric === 'function' || typeof metric?.reading !== 'function') {
    return { reading: undefined, onLogits: host.bindMetric(metric, tokens) }
  }
  const reading = metric.reading(host.metricContext(tokens))
  if (reading.hook === undefined) {
    if (view.stopAt !== undefined) host.bindMetric(metric, tokens) // refuses: there are no logits
    return { reading, onLogits: undefined }
  }
  const shape = points.get(reading.hook)?.shape
  if (shape === undefined) checkHookName('metric', reading.hook, { name: model.name, hookPoints: [...points.values()] })
  if (shape?.startsWith('[B,P,')) return { reading, onLogits: undefined }
  throw new ArgumentError(
    `metric: ${metric.name} reads '${reading.hook}' of shape ${shape}. Give a hook point of shape [B,P,…].`,
  )
}
