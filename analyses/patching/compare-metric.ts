/** A metric of the same prompts under several conditions, each a view. B prompts */
import * as tf from '@tensorflow/tfjs'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { describeMetric, type AnyMetric } from '../../lib/core/metrics.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import type { Result } from '../../lib/report/result/result.js'
import { type Prompts, tokenOptionNames, type TokenOptions, type Tokens } from '../../lib/tokens/tokens.js'
import { eachCondition } from './conditions.js'

/** What is measured. */
export interface CompareMetricOptions extends TokenOptions, ProgressOptions {
  /** `logitDiff(…)`, `logProb(…)` … or a function from logits [B,P,V] to [B]. */
  readonly metric: AnyMetric
}

const optionNames: OptionNames<CompareMetricOptions> = { metric: true, ...progressOptionNames, ...tokenOptionNames }

/**
 * The metric of each prompt under each condition, in its unit: axes [prompt, condition].
 *
 * @example
 * const views = { model, 'with SAE': model.withSaes(sae) }
 * ;(await compareMetric(views, prompts, { metric: logitDiff(' Carl', ' Eva') })).print()
 * @throws ArgumentError for no condition, or a metric that does not give one number for each prompt
 */
export async function compareMetric(
  views: Readonly<Record<string, HookedModel>>,
  prompts: Prompts,
  options: CompareMetricOptions,
): Promise<Result> {
  const name = 'compareMetric'
  checkOptions(name, options, optionNames)
  return metricUnder(views, prompts, { name, options })
}

/** The same under the name of another analysis. */
export async function metricUnder(
  views: Readonly<Record<string, HookedModel>>,
  prompts: Prompts,
  { name, options }: { readonly name: string; readonly options: CompareMetricOptions },
): Promise<Result> {
  const { metric } = options
  const { name: title, unit } = describeMetric(metric)
  const measured = (tokens: Tokens) => (view: HookedModel, condition: string) =>
    metricOf(view, tokens, { name, metric, condition })
  return eachCondition(views, prompts, {
    name,
    options,
    measure: (tokens) => ({ kind: 'metric', title, unit, of: measured(tokens) }),
  })
}

interface Measured {
  readonly name: string
  readonly metric: AnyMetric
  readonly condition: string
}

async function metricOf(
  view: HookedModel,
  tokens: Tokens,
  { name, metric, condition }: Measured,
): Promise<Float32Array> {
  const bound = view.bindMetric(metric, tokens)
  const values = tf.tidy(() => bound(view.run(tokens)))
  const { shape } = values
  const numbers = Float32Array.from(await values.data())
  values.dispose()
  if (shape.length === 1 && shape[0] === tokens.batch) return numbers
  throw new ArgumentError(
    `${name}: the metric gives shape [${shape}] under '${condition}'. It must give one number for each of the ` +
      `${tokens.batch} prompts.`,
  )
}
