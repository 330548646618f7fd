/** Step 1 of a sweep: everything is looked up in the view and the prompts, or refused, before any run. */
import type { HookedView } from '../core/hooked-view.js'
import { jobProgress } from '../core/job-progress.js'
import { describeMetric, type AnyMetric } from '../core/metrics.js'
import type { Prompts, TokenOptions, Tokens } from '../tokens/tokens.js'
import type { ViewedModel } from '../core/run-view.js'
import { reachedNames } from '../core/view.js'
import { ArgumentError } from '../errors/errors.js'
import type { Provenance } from '../report/result/provenance.js'
import { checkSource } from '../tokens/paired-prompts.js'
import { resampleOrder, resolveInterventions, type Intervention } from './edits/index.js'
import type { ResolvedEdit, ResolvedIntervention, Sources } from './edits/index.js'
import type { SweepOptions } from './options.js'
import { checkBudget } from './plan/index.js'
import { ResumeFile, sweepMetric, SweepProgress, type SweepMetric } from './run/index.js'
import type { SweepSubject } from './subject.js'

/** The view that a sweep runs on. */
export interface SweepHost extends ViewedModel {
  readonly host: HookedView & { toTokens(input: Prompts, options?: TokenOptions): Tokens }
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

/** What a sweep is asked for. */
export interface SweepQuestion {
  readonly input: Prompts
  readonly interventions: readonly Intervention[]
  readonly metric: AnyMetric
  readonly options: SweepOptions
}

/** @throws ArgumentError, HookError, ShapeError, TokenError for what cannot be done */
export async function resolveTask({ host, model, view }: SweepHost, question: SweepQuestion): Promise<SweepTask> {
  const { input, options, metric: given } = question
  const { kind = 'sweep', signal } = options
  const budget = checkBudget(kind, options.budget)
  const tokens = host.toTokens(input, options)
  const points = new Map(host.hookPoints.map((point) => [point.name, point]))
  const subject: SweepSubject = { kind, model, view, points, tokens }
  const metric = sweepMetric(given, subject, host)
  const interventions = resolveInterventions(subject, question.interventions)
  checkReached(subject, interventions)
  const edits = interventions.flatMap((intervention) => intervention.edits)
  const source = options.source === undefined ? undefined : host.toTokens(options.source, options)
  const sources = sourcesOf(subject, edits, { source, seed: options.seed ?? 0 })
  signal?.throwIfAborted()
  const provenance = await host.provenance({
    prependBos: options.prependBos ?? true,
    ...(sources.order && { seed: options.seed ?? 0 }),
  })
  const { name } = describeMetric(given)
  const key = [provenance, tokens.rows, tokens.mask, sources.source.rows, name, question.interventions]
  const file = options.save === undefined ? undefined : await ResumeFile.at(options.save, key)
  const report = jobProgress(kind, { ...(options.progress && { onProgress: options.progress }) }, interventions.length)
  const progress = new SweepProgress({ interventions: interventions.length, batch: tokens.batch, report, file })
  return { ...subject, interventions, edits, metric, sources, budget, signal, provenance, progress }
}

/** @throws HookError for a point after the layer where the view stops */
function checkReached({ kind, model, view }: SweepSubject, interventions: readonly ResolvedIntervention[]): void {
  const names = interventions.flatMap(({ edits, functions }) => [
    ...edits.map(({ point }) => point.name),
    ...functions.map(({ name }) => name),
  ])
  reachedNames(kind, [...new Set(names)], model, view)
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
