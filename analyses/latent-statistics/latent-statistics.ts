/** What latents do to the logits, in four numbers each: moments of their projection on the unembedding. */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { AttachedSae } from '../../lib/core/view.js'
import type { HookedModel } from '../../lib/model.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { progress } from '../../lib/report/terminal/progress.js'
import { Result } from '../../lib/report/result/result.js'
import type { Sae } from '../../saes/index.js'
import { layerOf } from '../../lib/transformer/hook-names.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { eachMoments } from './moments.js'

export interface LatentStatisticsOptions {
  /** Of each SAE. @default all */
  readonly latents?: readonly number[]
  /** One of the view's SAEs, by its hook point. @default all of them */
  readonly hook?: HookName
  /** Divide by the norms of W_U's columns (not by those of W_dec), as SAELens does. @default false */
  readonly cosine?: boolean
  /** Called with the latents done and all of them. @default a bar on stderr */
  readonly onProgress?: (done: number, total: number) => void
}

/** The places of the axis `statistic`. */
export const latentStatisticNames = ['mean', 'std', 'skewness', 'kurtosis', 'log sparsity'] as const
export type LatentStatistic = (typeof latentStatisticNames)[number]

/** An SAE whose latents are in a result: a run of places on its latent axis. */
export interface SaeLatents {
  readonly hook: string
  readonly label: string
  /** As SAELens counts: one more than the block's for a point behind it (`resid_post`). */
  readonly layer: number
  readonly first: number
  readonly latents: readonly number[]
  readonly modelName?: string
  readonly neuronpediaId?: string
}

/**
 * Mean, std, skewness and kurtosis of what each latent adds to the logits, over the vocabulary, and the log10 of how
 * often it fires (NaN where the SAE's folder does not tell): axes [latent, statistic]. Population formulas: std divides
 * by V, skewness is the mean of z³, kurtosis that of z⁴ (3 for a Gaussian). In memory that does not grow with either.
 *
 * A latent that adds the same to every logit (a W_dec of 0) has std, skewness and kurtosis 0, and a note counts these.
 * The projection is W_dec · W_U, through W_O or W_out for SAEs in attention and MLPs; see latent-logits.ts.
 * @throws ArgumentError, HookError; MismatchError for an SAE whose latents have no direct way to the logits
 */
export async function latentStatistics(view: HookedModel, options: LatentStatisticsOptions = {}): Promise<Result> {
  const { cosine = false } = options
  const encoders = encodersOf('latentStatistics', view, options.hook)
  const lists = encoders.map(({ sae }) => chosenLatents('latentStatistics', sae, options.latents))
  const total = lists.reduce((sum, { length }) => sum + length, 0)
  const width = latentStatisticNames.length
  const values = new Float32Array(total * width)
  const report = reporter('latent statistics', total, options.onProgress)
  const saes: SaeLatents[] = []
  for (const [i, attached] of encoders.entries()) {
    const latents = lists[i]!
    const first = saes.reduce((sum, sae) => sum + sae.latents.length, 0)
    saes.push(describe(attached, first, latents))
    await eachMoments(view, attached, latents, { cosine, onProgress: report }, (moments, place) => {
      const { mean, std, skewness, kurtosis } = moments
      const sparsity = attached.sae.logSparsity?.[latents[place]!] ?? NaN
      values.set([mean, std, skewness, kurtosis, sparsity], (first + place) * width)
    })
  }
  return new Result({
    kind: 'latent statistics',
    title: `moments of W_dec · W_U${cosine ? ' with columns of norm 1' : ''}`,
    unit: '',
    values,
    axes: [latentAxis(saes), { name: 'statistic', labels: latentStatisticNames }],
    provenance: await view.provenance(),
    notes: notesOf(values, width),
    extra: { saes: saes as unknown as JsonObject[], cosine },
  })
}

/** The SAEs of a result of `latentStatistics` or `enrichment`. @throws ArgumentError for a result without them */
export function saesOf(verb: string, result: Result): readonly SaeLatents[] {
  const saes = result.extra['saes'] as unknown as readonly SaeLatents[] | undefined
  if (Array.isArray(saes)) return saes as readonly SaeLatents[]
  throw new ArgumentError(
    `${verb}: the result is of kind '${result.kind}'. Give one of latentStatistics or enrichment as it came, not a mean or selection of it.`,
  )
}

/** `48` where there is one SAE, else `blocks.1.hook_resid_pre/48`. */
export function latentAxis(saes: readonly SaeLatents[]): { name: string; labels: string[] } {
  const name = (hook: string, latent: number) => (saes.length === 1 ? String(latent) : `${hook}/${latent}`)
  return { name: 'latent', labels: saes.flatMap(({ hook, latents }) => latents.map((latent) => name(hook, latent))) }
}

export function describe({ sae, readsAt }: AttachedSae<Sae>, first: number, latents: readonly number[]): SaeLatents {
  const { modelName, neuronpediaId } = sae.config
  const known = { ...(modelName && { modelName }), ...(neuronpediaId && { neuronpediaId }) }
  return { hook: readsAt, label: sae.label, layer: streamLayer(sae), first, latents, ...known }
}

/** The block that reads what the SAE is of: the next one at its end; −1 for a point outside the blocks. */
function streamLayer({ hookName }: Sae): number {
  const layer = layerOf(hookName)
  return layer === undefined ? -1 : layer + Number(hookName.includes('post'))
}

function encodersOf(verb: string, view: HookedModel, hook: string | undefined): AttachedSae<Sae>[] {
  if (hook !== undefined || view.attached.length === 0) return [saeAt(verb, view, hook)]
  return view.attached.map(({ readsAt }) => saeAt(verb, view, readsAt))
}

/** Counts what is done for the caller, or on a bar. */
export function reporter(label: string, total: number, onProgress?: (done: number, total: number) => void) {
  const bar = onProgress ? undefined : progress(label, total)
  let done = 0
  return (more: number): void => {
    done += more
    onProgress?.(done, total)
    bar?.tick(more)
    if (done === total) bar?.done()
  }
}

function notesOf(values: Float32Array, width: number): string[] {
  let [constant, broken] = [0, 0]
  for (let at = 0; at < values.length; at += width) {
    if (values[at + 1] === 0) constant++
    if (Number.isNaN(values[at + 1])) broken++
  }
  const latents = (count: number) => `${count} ${count === 1 ? 'latent adds' : 'latents add'}`
  return [
    ...(constant > 0
      ? [`${latents(constant)} the same to every logit: std, skewness and kurtosis are given as 0.`]
      : []),
    ...(broken > 0 ? [`${latents(broken)} NaN or infinity to a logit: there are no statistics of that.`] : []),
  ]
}
