/** A number of each prompt under several conditions, each a view. B prompts */
import { jobProgress } from '../../lib/core/job-progress.js'
import type { ProgressOptions } from '../../lib/core/job-options.js'
import { promptAxis } from '../../lib/core/labels.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { Result } from '../../lib/report/result/result.js'
import { tokenOptionsOf, type Prompts, type TokenOptions, type Tokens } from '../../lib/tokens/tokens.js'

/** What is measured, and how. */
export interface Measure<Extra extends JsonObject> {
  readonly kind: string
  readonly title: string
  readonly unit: string
  readonly extra?: Extra
  /** The number of each prompt [B]. */
  of(view: HookedModel, condition: string): Promise<Float32Array>
}

/** A comparison of views. */
export interface Conditions<Extra extends JsonObject> {
  /** What messages call it. */
  readonly name: string
  readonly options: TokenOptions & ProgressOptions
  /** Made for the tokens before any run, so that it can refuse them. */
  measure(tokens: Tokens): Measure<Extra>
}

/** Axes [prompt, condition]. Progress counts conditions. @throws ArgumentError for no condition */
export async function eachCondition<Extra extends JsonObject>(
  views: Readonly<Record<string, HookedModel>>,
  prompts: Prompts,
  { name, options, measure }: Conditions<Extra>,
): Promise<Result<Extra>> {
  const [first] = Object.values(views)
  if (!first) throw new ArgumentError(`${name}: there is no view. Give one for each condition, by its name.`)
  const tokens = first.toTokens(prompts, tokenOptionsOf(options))
  const { of, ...what } = measure(tokens)
  const conditions = Object.entries(views)
  const columns: Float32Array[] = []
  using report = jobProgress(`${name}: conditions`, options, conditions.length)
  for (const [condition, view] of conditions) {
    options.signal?.throwIfAborted()
    columns.push(await of(view, condition))
    report(columns.length)
  }
  return new Result<Extra>({
    ...what,
    values: Float32Array.from(tokens.rows.flatMap((_, b) => columns.map((column) => column[b] ?? NaN))),
    axes: [promptAxis(first, tokens), { name: 'condition', labels: Object.keys(views) }],
    provenance: await first.provenance({ prependBos: options.prependBos ?? true }),
  })
}
