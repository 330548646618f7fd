/** A metric of the same prompts under several conditions, each a view. B prompts */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../../lib/errors/errors.js'
import { describeMetric, type AnyMetric } from '../../lib/core/metrics.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions, Tokens } from '../../lib/tokens/tokens.js'
import type { Result } from '../../lib/report/result/result.js'
import { eachCondition } from './conditions.js'

/**
 * The metric of each prompt under each condition, in its unit: axes [prompt, condition].
 *
 * `await compareMetric({ model, 'with SAE': model.withSaes(sae) }, prompts, { metric: logitDiff(' Carl', ' Eva') })`
 * @throws ArgumentError for no condition, or a metric that gives no number a prompt
 */
export async function compareMetric(
  views: Readonly<Record<string, HookedModel>>,
  prompts: Prompts,
  options: TokenOptions & { readonly metric: AnyMetric },
): Promise<Result> {
  return eachCondition('compareMetric', views, prompts, options, (tokens) => {
    const { name, unit } = describeMetric(options.metric)
    return {
      kind: 'metric',
      title: name,
      unit,
      of: (view, condition) => metricOf(view, condition, tokens, options.metric),
    }
  })
}

async function metricOf(
  view: HookedModel,
  condition: string,
  tokens: Tokens,
  metric: AnyMetric,
): Promise<Float32Array> {
  const bound = view.bindMetric(metric, tokens)
  const values = tf.tidy(() => bound(view.run(tokens)))
  const { shape } = values
  const numbers = Float32Array.from(await values.data())
  values.dispose()
  if (shape.length === 1 && shape[0] === tokens.batch) return numbers
  throw new ArgumentError(
    `compareMetric: the metric gives shape [${shape}] under '${condition}'. It must give one number for each of the ${tokens.batch} prompts.`,
  )
}
