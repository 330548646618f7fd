/** Step 1 of a sweep: everything is looked up in the view and the prompts, or refused, before any run. */
import type { HookedView } from '../core/hooked-view.js'
import { jobProgress } from '../core/job-progress.js'
import { describeMetric } from '../core/metrics.js'
import type { ViewedModel } from '../core/run-view.js'
import { reachedNames } from '../core/view.js'
import { ArgumentError } from '../errors/errors.js'
import { checkOptions } from '../errors/options.js'
import type { Provenance } from '../report/result/provenance.js'
import { checkSource } from '../tokens/paired-prompts.js'
import { tokenOptionsOf, type Prompts } from '../tokens/tokens.js'
import { resampleOrder, resolveInterventions } from './edits/index.js'
import type { ResolvedEdit, ResolvedIntervention, Sources } from './edits/index.js'
import { sweepOptionNames, type SweepOptions } from './options.js'
import { checkBudget } from './plan/index.js'
import { ResumeFile, sweepMetric, SweepProgress, type SweepMetric } from './run/index.js'
import type { SweepSubject } from './subject.js'

/** The view that a sweep runs on. */
export interface SweepHost extends ViewedModel {
  readonly host: HookedView
}

/** A sweep with everything looked up. */
export interface SweepTask extends SweepSubject {
  readonly interventions: readonly ResolvedIntervention[]
  /** Those of all interventions. */
  readonly edits: readonly ResolvedEdit[]
  readonly metric: SweepMetric
  readonly sources: Sources
  /** Bytes. */
  readonly budget: number
  readonly signal: AbortSignal | undefined
  readonly provenance: Provenance
  readonly progress: SweepProgress
}

/** @throws ArgumentError, HookError, ShapeError, TokenError for what cannot be done */
export async function resolveTask(
  { host, model, view }: SweepHost,
  prompts: Prompts,
  options: SweepOptions,
): Promise<SweepTask> {
  checkOptions('sweep', options, sweepOptionNames)
  const { kind = 'sweep', seed = 0, signal, metric: given } = options
  const budget = checkBudget(kind, options.budget)
  const tokens = host.toTokens(prompts, tokenOptionsOf(options))
  const points = new Map(host.hookPoints.map((point) => [point.name, point]))
  const subject: SweepSubject = { kind, model, view, points, tokens }
  const metric = sweepMetric(given, subject, host)
  const interventions = resolveInterventions(subject, options.interventions)
  checkReached(subject, interventions, metric)
  const edits = interventions.flatMap((intervention) => intervention.edits)
  const source = options.source === undefined ? undefined : host.toTokens(options.source, tokenOptionsOf(options))
  const sources = sourcesOf(subject, edits, { source, seed })
  signal?.throwIfAborted()
  const { prependBos = true } = options
  const provenance = await host.provenance({ prependBos, ...(sources.order && { seed }) })
  const { name } = describeMetric(given)
  const key = [provenance, tokens.rows, tokens.mask, sources.source.rows, name, options.interventions]
  const file = options.checkpoint === undefined ? undefined : await ResumeFile.at(options.checkpoint, key)
  const report = jobProgress(kind, options, interventions.length)
  const progress = new SweepProgress({ interventions: interventions.length, batch: tokens.batch, report, file })
  return { ...subject, interventions, edits, metric, sources, budget, signal, provenance, progress }
}

/** @throws HookError for a point after the layer where the view stops */
function checkReached(
  { kind, model, view }: SweepSubject,
  interventions: readonly ResolvedIntervention[],
  { reading }: SweepMetric,
): void {
  const names = interventions.flatMap(({ edits, functions }) => [
    ...edits.map(({ point }) => point.name),
    ...functions.map(({ name }) => name),
  ])
  if (reading?.hook !== undefined) names.push(reading.hook)
  if (names.length > 0) reachedNames(kind, [...new Set(names)], model, view)
}

/** The prompts that edits take activations from. @throws ArgumentError where there are none that fit */
function sourcesOf(
  { kind, tokens }: SweepSubject,
  edits: readonly ResolvedEdit[],
  { source, seed }: { readonly source: SweepSubject['tokens'] | undefined; readonly seed: number },
): Sources {
  if (edits.some(({ value }) => value.kind === 'source')) {
    if (!source) throw new ArgumentError(`${kind}: an edit's value is 'source'. Give a source.`)
    checkSource(kind, tokens, source)
  }
  const all = source ?? tokens
  const resamples = edits.some(({ value }) => value.kind === 'resample')
  return { source: all, order: resamples ? resampleOrder(kind, { tokens, source: all }, seed) : undefined }
}
