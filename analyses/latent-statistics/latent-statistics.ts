/** What latents do to the logits, in four numbers each: moments of their projection on the unembedding. */
import { jobProgress } from '../../lib/core/job-progress.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { AttachedSae } from '../../lib/core/view.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import type { Sae } from '../../saes/index.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentAxis, saeLatents, type SaeLatents } from '../sae-latents.js'
import { eachMoments } from './moments.js'
import { LatentStatistics } from './latent-statistics-result.js'

/** Which latents `latentStatistics` looks at, and how. */
export interface LatentStatisticsOptions extends ProgressOptions {
  /** Of each SAE. @default all */
  readonly latents?: readonly number[]
  /** One of the view's SAEs, by its hook point. @default all of them */
  readonly hook?: HookName
  /** Divide by the norms of W_U's columns (not by those of W_dec), as SAELens does. @default false */
  readonly cosine?: boolean
}

const optionNames: OptionNames<LatentStatisticsOptions> = {
  ...progressOptionNames,
  latents: true,
  hook: true,
  cosine: true,
}

/** The places of the axis `statistic`. */
export const latentStatisticNames = ['mean', 'std', 'skewness', 'kurtosis', 'log sparsity'] as const

/** One of `latentStatisticNames`. */
export type LatentStatistic = (typeof latentStatisticNames)[number]

/**
 * Mean, std, skewness and kurtosis of what each latent adds to the logits (logits), over the vocabulary, and the log10
 * of how often it fires (NaN where the SAE's folder does not say): axes [latent, statistic]. Population formulas: std
 * divides by V, skewness is the mean of z³, kurtosis that of z⁴ (3 for a Gaussian). In memory that grows with neither
 * latents nor vocabulary.
 *
 * A latent that adds the same to every logit (a W_dec of 0) has std, skewness and kurtosis 0, and a note counts these.
 * The projection is W_dec · W_U, through W_O or W_out for SAEs in attention and MLPs; see latent-logits.ts.
 *
 * Source: `get_W_U_W_dec_stats_df` of SAELens 3 (sae_lens/analysis/feature_statistics.py).
 * @example
 * const statistics = await latentStatistics(model.withSaes(sae))
 * latentsBy(statistics, 'kurtosis', { k: 3 }).print()
 * @throws ArgumentError, HookError; MismatchError for an SAE whose latents have no direct way to the logits
 */
export async function latentStatistics(
  view: HookedModel,
  options: LatentStatisticsOptions = {},
): Promise<LatentStatistics> {
  checkOptions('latentStatistics', options, optionNames)
  const { cosine = false, hook, signal } = options
  const attached = hook === undefined && view.attached.length > 0 ? view.attached.map(({ readsAt }) => readsAt) : [hook]
  const chosen = chooseLatents(view, attached, options.latents)
  const saes = chosen.map(({ latents }) => latents)
  const width = latentStatisticNames.length
  const total = saes.reduce((sum, { latents }) => sum + latents.length, 0)
  const values = new Float32Array(total * width)
  using report = jobProgress('latent statistics', options, total)
  let done = 0
  for (const { sae, latents } of chosen) {
    for await (const part of eachMoments(view, sae, { latents: latents.latents, cosine })) {
      for (const { latent, mean, std, skewness, kurtosis } of part) {
        const sparsity = sae.sae.logSparsity?.[latent] ?? NaN
        values.set([mean, std, skewness, kurtosis, sparsity], width * done++)
      }
      report(done)
      signal?.throwIfAborted()
    }
  }
  return new LatentStatistics({
    kind: 'latent statistics',
    title: `moments of W_dec · W_U${cosine ? ' with columns of norm 1' : ''}`,
    unit: '',
    values,
    axes: [latentAxis(saes), { name: 'statistic', labels: latentStatisticNames }],
    provenance: await view.provenance(),
    notes: notesOf(values, width),
    extra: { saes, cosine },
  })
}

interface ChosenLatents {
  readonly sae: AttachedSae<Sae>
  readonly latents: SaeLatents
}

/** The latents of the SAEs at some hook points, one SAE after the other. */
function chooseLatents(
  view: HookedModel,
  hooks: readonly (string | undefined)[],
  asked: readonly number[] | undefined,
): ChosenLatents[] {
  let first = 0
  return hooks.map((hook) => {
    const sae = saeAt('latentStatistics', view, hook)
    const latents = saeLatents(sae, chosenLatents('latentStatistics', sae.sae, asked), first)
    first += latents.latents.length
    return { sae, latents }
  })
}

function notesOf(values: Float32Array, width: number): string[] {
  let [constant, broken] = [0, 0]
  for (let at = 0; at < values.length; at += width) {
    if (values[at + 1] === 0) constant++
    else if (Number.isNaN(values[at + 1])) broken++
  }
  const latents = (count: number) => `${count} ${count === 1 ? 'latent adds' : 'latents add'}`
  const same = 'the same to every logit: std, skewness and kurtosis are given as 0.'
  return [
    ...(constant > 0 ? [`${latents(constant)} ${same}`] : []),
    ...(broken > 0 ? [`${latents(broken)} NaN or infinity to a logit: there are no statistics of that.`] : []),
  ]
}
