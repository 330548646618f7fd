/**
 * Many interventions at once, as one declared computation: each is run from the layer and position where it changes
 * anything, together with others as rows of a batch, and no further than what the metric reads.
 */
import { ArgumentError } from '../errors/errors.js'
import { promptAxis } from '../core/labels.js'
import { describeMetric, type AnyMetric } from '../core/metrics.js'
import type { HookedModel } from '../model.js'
import { progressOf } from '../report/terminal/progress.js'
import { EffectResult } from '../report/result/effect-result.js'
import type { Input } from '../core/run-options.js'
import { checkBudget } from './budget.js'
import { describe } from './describe-edits.js'
import { resolveInterventions, type Intervention } from './edits.js'
import { judgeOf } from './judge.js'
import { PartialFile } from './partial.js'
import { checkSource, resampleOrder } from './sources.js'
import { SweepRun } from './run.js'
import type { TokenOptions } from '../tokens/tokens.js'
import { reachedNames, type LoadedModel, type View } from '../core/view.js'

export type { Edit, Intervention, Replacement } from './edits.js'
export type { Made } from './made.js'

export interface SweepOptions extends TokenOptions {
  /** Bytes for activations, the weights left out; larger batches take more and are faster. @default 2 ** 29 */
  readonly budget?: number
  /** Called after each intervention; the default shows a line or a bar with the time left on stderr. */
  readonly progress?: (done: number, total: number) => void
  /** Stops the sweep between two batches: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** A file for results so far, written every few seconds and when the sweep stops; it goes on from what is there. */
  readonly save?: string
  /**
   * Prompts for `to: 'source'`, 'mean' and 'resample'; 'source' needs them, and the result's `source` is the metric on
   * them, unless it is a function of logits. @default the prompts themselves
   */
  readonly source?: Input
  /** For `to: 'resample'`. @default 0 */
  readonly seed?: number
  /** What results and messages call it. @default 'sweep' */
  readonly kind?: string
}

/** What `HookedModel.sweep` takes. */
export type SweepArguments = [
  input: Input,
  interventions: readonly Intervention[],
  metric: AnyMetric,
  options?: SweepOptions,
]

/** What a sweep needs of the view it runs on. */
export interface Subject {
  readonly host: HookedModel
  readonly model: LoadedModel
  readonly view: View
}

/** The change of a metric under each intervention; see `HookedModel.sweep`. */
export async function sweep(
  { host, model, view }: Subject,
  input: Input,
  interventions: readonly Intervention[],
  metric: AnyMetric,
  options: SweepOptions = {},
): Promise<EffectResult> {
  const { kind = 'sweep', seed = 0, signal } = options
  const budget = checkBudget(kind, options.budget)
  const tokens = host.toTokens(input, options)
  const points = host.hookPoints
  const judge = judgeOf(metric, host, view, tokens)
  const context = { kind, modelName: host.name, config: host.config, view, points, tokens }
  const resolved = resolveInterventions(context, interventions)
  const edits = resolved.flatMap((intervention) => intervention.edits)
  const names = resolved.flatMap(({ edits, by }) => [
    ...edits.map(({ point }) => point.name),
    ...by.map(({ name }) => name),
  ])
  reachedNames(kind, [...new Set(names)], model, view)
  const source = options.source === undefined ? tokens : host.toTokens(options.source, options)
  const resamples = edits.some(({ value }) => value.kind === 'resample')
  if (edits.some(({ value }) => value.kind === 'source')) {
    if (options.source === undefined) throw new ArgumentError(`${kind}: an edit's value is 'source'. Give a source.`)
    checkSource(kind, tokens, source)
  }
  const sources = { source, order: resamples ? resampleOrder(kind, tokens, source, seed) : undefined }
  signal?.throwIfAborted()
  const provenance = await host.provenance({
    prependBos: options.prependBos ?? true,
    ...(resamples && { seed }),
  })
  const { name, unit } = describeMetric(metric)
  const file = options.save === undefined ? undefined : new PartialFile(options.save, [provenance, tokens.rows, tokens.mask, source.rows, name, interventions]) // prettier-ignore
  const report = options.progress ?? progressOf(kind, resolved.length)
  const run = new SweepRun({ model, view, tokens, points, judge, sources, budget, report, signal, file }, resolved)
  const { values, baseline, source: atSource } = await run.result()
  return new EffectResult({
    kind,
    title: `change of ${name}`,
    unit,
    values,
    axes: [{ name: 'intervention', labels: interventions.map(describe) }, promptAxis(host, tokens, baseline.length)],
    provenance,
    extra: { metric: name, baseline: [...baseline], ...(atSource && { source: [...atSource] }) },
  })
}
