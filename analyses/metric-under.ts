/** A metric of the same prompts under several conditions, each a view. B prompts */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../lib/errors.js'
import { describeMetric, type AnyMetric } from '../lib/metrics.js'
import type { HookedModel, Input } from '../lib/model.js'
import { Result } from '../lib/report/result.js'
import type { TokenOptions } from '../lib/tokens/tokens.js'
import { promptAxis } from './labels.js'

/**
 * The metric of each prompt under each condition, in its unit: axes [prompt, condition].
 *
 * `await metricUnder({ model, 'with SAE': model.withSaes(sae) }, prompts, { metric: logitDiff(' Carl', ' Eva') })`
 * @throws ArgumentError for no condition, or a metric that gives no number a prompt
 */
export async function metricUnder(
  views: Readonly<Record<string, HookedModel>>,
  prompts: Input,
  options: TokenOptions & { readonly metric: AnyMetric },
): Promise<Result> {
  const [first] = Object.values(views)
  if (!first) throw new ArgumentError('metricUnder: there is no view. Give one for each condition, by its name.')
  const tokens = first.toTokens(prompts, options)
  const columns: Float32Array[] = []
  for (const [condition, view] of Object.entries(views)) {
    const metric = view.bindMetric(options.metric, tokens)
    const values = tf.tidy(() => metric(view.run(tokens)))
    columns.push(Float32Array.from(await values.data()))
    const { shape } = values
    values.dispose()
    if (shape.length === 1 && shape[0] === tokens.batch) continue
    throw new ArgumentError(
      `metricUnder: the metric gives shape [${shape}] under '${condition}'. It must give one number for each of the ${tokens.batch} prompts.`,
    )
  }
  const { name, unit } = describeMetric(options.metric)
  return new Result({
    kind: 'metric',
    title: name,
    unit,
    values: Float32Array.from(tokens.rows.flatMap((_, b) => columns.map((column) => column[b]!))),
    axes: [promptAxis(first, tokens), { name: 'condition', labels: Object.keys(views) }],
    provenance: await first.provenance({ prependBos: options.prependBos ?? true }),
  })
}
