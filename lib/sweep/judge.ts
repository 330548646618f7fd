/** How a sweep's metric is computed: from what it reads alone, or as a function of whole logits. */
import { ArgumentError } from '../errors/errors.js'
import { checkHookName } from '../core/hooks.js'
import type { Metric, MetricFunction, Reading } from '../core/metrics.js'
import type { HookedModel } from '../model.js'
import type { Tokens } from '../tokens/tokens.js'
import type { View } from '../core/view.js'

/** One of the two. */
export interface Judge {
  readonly reading: Reading | undefined
  /** From logits [B,P,V] of all prompts to one number a prompt, or one. */
  readonly whole: MetricFunction | undefined
}

/** @throws ArgumentError, TokenError, HookError for a metric that is none, or not of these prompts or this view */
export function judgeOf(metric: Metric | MetricFunction, host: HookedModel, view: View, tokens: Tokens): Judge {
  if (typeof metric === 'function' || typeof metric?.reading !== 'function') {
    return { reading: undefined, whole: host.bindMetric(metric, tokens) }
  }
  const reading = metric.reading(host.metricContext(tokens))
  if (reading.hook === undefined) {
    if (view.stopAt !== undefined) host.bindMetric(metric, tokens) // refuses: there are no logits
    return { reading, whole: undefined }
  }
  checkHookName('metric', reading.hook, host.hookPoints, host.name)
  const { shape } = host.hookPoints.find((point) => point.name === reading.hook)!
  if (shape.startsWith('[B,P,')) return { reading, whole: undefined }
  throw new ArgumentError(
    `metric: ${metric.name} reads '${reading.hook}' of shape ${shape}. Give a hook point of shape [B,P,…].`,
  )
}
