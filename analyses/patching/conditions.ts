/** A number of each prompt under several conditions, each a view. B prompts */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions, Tokens } from '../../lib/tokens/tokens.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { Result } from '../../lib/report/result/result.js'
import { promptAxis } from '../../lib/core/labels.js'

/** What is measured. */
export interface Measure {
  readonly kind: string
  readonly title: string
  readonly unit: string
  readonly extra?: JsonObject
  /** [B] */
  of(view: HookedModel, condition: string): Promise<Float32Array>
}

/**
 * Axes [prompt, condition].
 * @param measure made for the tokens before any run, so that it can refuse them
 * @throws ArgumentError for no condition
 */
export async function eachCondition(
  verb: string,
  views: Readonly<Record<string, HookedModel>>,
  prompts: Prompts,
  options: TokenOptions,
  measure: (tokens: Tokens) => Measure,
): Promise<Result> {
  const [first] = Object.values(views)
  if (!first) throw new ArgumentError(`${verb}: there is no view. Give one for each condition, by its name.`)
  const tokens = first.toTokens(prompts, options)
  const { of, ...what } = measure(tokens)
  const columns: Float32Array[] = []
  for (const [condition, view] of Object.entries(views)) columns.push(await of(view, condition))
  return new Result({
    ...what,
    values: Float32Array.from(tokens.rows.flatMap((_, b) => columns.map((column) => column[b]!))),
    axes: [promptAxis(first, tokens), { name: 'condition', labels: Object.keys(views) }],
    provenance: await first.provenance({ prependBos: options.prependBos ?? true }),
  })
}
