/**
 * Latents that matter on some prompts: those that fire there as they rarely do elsewhere, by what ablating each costs.
 * B prompts · F latents
 */
import { z } from 'zod'
import type { HookName } from '../../lib/core/hooks.js'
import { jobOptionNames, type JobOptions } from '../../lib/core/job-options.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { Result } from '../../lib/report/result/result.js'
import { mean } from '../../lib/stats/moments.js'
import { range } from '../../lib/stats/range.js'
import { tokenOptionsOf, type Prompts, tokenOptionNames, type TokenOptions } from '../../lib/tokens/tokens.js'
import { saeWithError } from '../attached-saes.js'
import { latentsAt } from '../latent-activations/index.js'
import { latentsOut, lossSweep } from '../loss-sweep.js'
import { lossPositions } from '../losses.js'

/** Which latents are looked at, and which prediction is judged. */
export interface LatentsByLossOptions extends TokenOptions, JobOptions {
  /** Each latent's largest activation in general text, [S], as `latentPeaks` finds it. */
  readonly maxima: ArrayLike<number>
  /** The position whose prediction of the next token is judged. @default -2 */
  readonly position?: number
  /** A latent counts on a prompt where it is above this share of its maximum … @default 0.17 */
  readonly shareOfMax?: number
  /** … and is looked at when it counts on this share of the prompts. @default 0.05 */
  readonly minShare?: number
  /** It is ablated on the prompts where it is above this. @default 0.1 */
  readonly threshold?: number
  /** How many latents are looked at, those of the largest mean activation. @default 100 */
  readonly limit?: number
  /** How many prompts a latent is ablated on, at most. @default 200 */
  readonly prompts?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

const optionNames: OptionNames<LatentsByLossOptions> = {
  maxima: true,
  position: true,
  shareOfMax: true,
  minShare: true,
  threshold: true,
  limit: true,
  prompts: true,
  hook: true,
  ...jobOptionNames,
  ...tokenOptionNames,
}

type Extra = {
  readonly latents: readonly number[]
  readonly position: number
}

const quantities = ['loss increase', 'loss increase (encoded)', 'mean activation', 'share of prompts'] as const

/**
 * What `latentsByLoss` returns: axes [latent, quantity], the largest loss increase first. Quantities:
 * - `loss increase`: mean loss of the prompts without the latent less that with it, nats
 * - `loss increase (encoded)`: the same where the reconstruction takes the activation's place in the ablated run
 * - `mean activation`, over the prompts where the latent counts, and their `share of prompts`
 */
export class LatentsByLoss extends Result<Extra> {
  static override readonly format: string = 'tfjs-lens-latents-by-loss'
  static readonly extraSchema: z.ZodType<Extra> = z.object({ latents: z.array(z.int()), position: z.int() })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): LatentsByLoss {
    return new LatentsByLoss(readResult(value, LatentsByLoss))
  }

  /** The number of each latent, in the order of the axis. */
  get latents(): readonly number[] {
    return this.extra.latents
  }
}

/**
 * The latents that fire on the prompts as they rarely do elsewhere, by loss increase: axes [latent, quantity]; the axis
 * is empty where no latent fires as asked. The view has the SAE attached with its error term. It is one sweep.
 *
 * @example
 * const peaks = await latentPeaks(view, data)
 * const found = await latentsByLoss(view, prompts, { maxima: peaks.max, limit: 30 })
 * found.print()
 * await latentAblation(view, prompts, { target: latents(sae, ...found.latents.slice(0, 3)) })
 * @throws ArgumentError as `latentAblation`, or when there is not one maximum a latent
 */
export async function latentsByLoss(
  view: HookedModel,
  prompts: Prompts,
  options: LatentsByLossOptions,
): Promise<LatentsByLoss> {
  const name = 'latentsByLoss'
  checkOptions(name, options, optionNames)
  const { position = -2, threshold = 0.1, prompts: most = 200, hook } = options
  const attached = saeWithError(name, view, hook)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  lossPositions(name, tokens, position)
  const acts = await latentsAt(view, tokens, { position, hook, onProgress: false })
  const candidates = candidatesOf(acts, options).flatMap((candidate) => {
    const firing = range(tokens.batch).filter((b) => acts.at(b, candidate.latent) > threshold)
    return firing.length > 0 ? [{ ...candidate, firing: firing.slice(0, most) }] : []
  })
  const used = [...new Set(candidates.flatMap(({ firing }) => firing))].sort((a, b) => a - b)
  const interventions = [false, true].flatMap((encoded) =>
    candidates.map(({ latent }) => latentsOut(attached, [latent], encoded)),
  )
  const losses =
    candidates.length === 0
      ? { original: new Float32Array(0), under: [] }
      : await lossSweep(view, tokens.pick(used), { name, position, interventions, options })
  const increase = (run: number, firing: readonly number[]) => {
    const rows = firing.map((b) => used.indexOf(b))
    return mean(rows.map((row) => (losses.under[run]?.[row] ?? NaN) - (losses.original[row] ?? NaN)))
  }
  const found = candidates.map(({ firing, latent, meanActivation, share }, i) => {
    const encoded = increase(candidates.length + i, firing)
    return { latent, values: [increase(i, firing), encoded, meanActivation, share] as const }
  })
  found.sort((a, b) => b.values[0] - a.values[0])
  return new LatentsByLoss({
    kind: 'latents by loss',
    title: 'latents by what ablating each costs',
    unit: '',
    values: Float32Array.from(found.flatMap(({ values }) => values)),
    axes: [
      { name: 'latent', labels: found.map(({ latent }) => `latent ${latent}`) },
      { name: 'quantity', labels: quantities },
    ],
    provenance: acts.provenance,
    extra: { latents: found.map(({ latent }) => latent), position },
  })
}

/** A latent that fires as asked. */
interface Candidate {
  readonly latent: number
  /** Over the prompts where it counts. */
  readonly meanActivation: number
  /** Of the prompts, those where it counts. */
  readonly share: number
}

/** @param acts axes [prompt, latent] @throws ArgumentError for a wrong number of maxima */
function candidatesOf({ values, shape }: Result, options: LatentsByLossOptions): Candidate[] {
  const { maxima, shareOfMax = 0.17, minShare = 0.05, limit = 100 } = options
  const [prompts = 0, latents = 0] = shape
  if (maxima.length !== latents) {
    throw new ArgumentError(
      `latentsByLoss: there are ${maxima.length} maxima. Give one for each of the ${latents} latents.`,
    )
  }
  const all = range(latents).map((latent): Candidate => {
    const own = range(prompts).map((b) => values[b * latents + latent] ?? NaN)
    const over = own.filter((value) => value > (maxima[latent] ?? NaN) * shareOfMax)
    return { latent, meanActivation: mean(over), share: over.length / prompts }
  })
  return all
    .filter(({ share, meanActivation }) => share >= minShare && meanActivation > 0)
    .sort((a, b) => b.meanActivation - a.meanActivation)
    .slice(0, limit)
}
