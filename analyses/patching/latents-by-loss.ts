/** Latents that matter on some prompts: those that fire there as they rarely do elsewhere, by what ablating each costs. */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions } from '../../lib/tokens/tokens.js'
import { progressOf } from '../../lib/report/terminal/progress.js'
import { Table } from '../../lib/report/table/table.js'
import { mean } from '../../lib/stats/moments.js'
import { latentsAt } from '../latent-activations/index.js'
import { lossSweep, withoutDirections } from '../loss-sweep.js'
import { lossPositions } from '../losses.js'
import { saeWithError } from '../attached-saes.js'

export interface LatentsByLossOptions extends TokenOptions {
  /** Each latent's largest activation in general text, [S]. */
  readonly maxima: ArrayLike<number>
  /** The position whose prediction of the next token is judged. @default -2 */
  readonly position?: number
  /** A latent counts on a prompt where it is above this share of its maximum … @default 0.17 */
  readonly shareOfMax?: number
  /** … and is looked at when it counts on this share of the prompts. @default 0.05 */
  readonly minShare?: number
  /** It is ablated on the prompts where it is above this. @default 0.1 */
  readonly threshold?: number
  /** Latents looked at, those of the largest mean activation. @default 100 */
  readonly limit?: number
  /** Prompts that a latent is ablated on, at most. @default 200 */
  readonly prompts?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
  /** Called after each ablation; the default shows a line or a bar on stderr. */
  readonly onProgress?: (done: number, total: number) => void
}

export interface LatentByLoss {
  readonly latent: number
  /** Mean loss of the prompts without the latent less that with it, in nats; the same where the reconstruction stands in. */
  readonly lossIncrease: number
  readonly lossIncreaseEncoded: number
  /** Over the prompts where it counts, and the share of these. */
  readonly meanActivation: number
  readonly share: number
  /** Its place by mean activation. */
  readonly place: number
}

/**
 * The latents by loss increase, the largest first; none where no latent fires as asked. The view has the SAE attached
 * with its error term.
 * @throws ArgumentError as `latentAblation`, or when there is not one maximum a latent
 */
export async function latentsByLoss(
  view: HookedModel,
  prompts: Prompts,
  options: LatentsByLossOptions,
): Promise<LatentByLoss[]> {
  const { position = -2, threshold = 0.1, prompts: most = 200, hook } = options
  const attached = saeWithError('latentsByLoss', view, hook)
  const tokens = view.toTokens(prompts, options)
  lossPositions('latentsByLoss', tokens, position)
  const acts = await latentsAt(view, tokens, { position, hook, onProgress: false })
  const candidates = candidatesOf(acts.values, tokens.batch, options).flatMap((candidate) => {
    const firing = tokens.rows.flatMap((_, b) => (acts.at(b, candidate.latent) > threshold ? [b] : [])).slice(0, most)
    return firing.length > 0 ? [{ ...candidate, firing }] : []
  })
  if (candidates.length === 0) return []
  const used = [...new Set(candidates.flatMap(({ firing }) => firing))].sort((a, b) => a - b)
  const without = [false, true].flatMap((encoded) =>
    candidates.map(({ latent }) => withoutDirections(attached, [latent], encoded)),
  )
  const progress = options.onProgress ?? progressOf('latentsByLoss', without.length)
  const losses = await lossSweep('latentsByLoss', view, tokens.pick(used), position, without, progress)
  const change = (run: number, firing: readonly number[]) =>
    mean(firing.map((b) => losses.under[run]![used.indexOf(b)]! - losses.original[used.indexOf(b)]!))
  const found = candidates.map(({ firing, ...one }, place) => {
    const encoded = change(candidates.length + place, firing)
    return { ...one, lossIncrease: change(place, firing), lossIncreaseEncoded: encoded, place }
  })
  return found.sort((a, b) => b.lossIncrease - a.lossIncrease)
}

/** The same as a table. */
export function latentsByLossTable(directions: readonly LatentByLoss[]): Table {
  const columns = ['direction', 'loss increase', 'loss increase (encoded)', 'mean activation', 'share of prompts']
  const rows = directions.map((one) => {
    return [String(one.latent), one.lossIncrease, one.lossIncreaseEncoded, one.meanActivation, one.share]
  })
  return new Table(columns, rows, { title: 'directions by what ablating each costs' })
}

/** @param acts [prompt, latent] */
function candidatesOf(acts: Float32Array, prompts: number, options: LatentsByLossOptions) {
  const { maxima, shareOfMax = 0.17, minShare = 0.05, limit = 100 } = options
  const latents = acts.length / prompts
  if (maxima.length !== latents) {
    throw new ArgumentError(`latentsByLoss: there are ${maxima.length} maxima. Give one for each of the ${latents} latents.`) // prettier-ignore
  }
  const all = Array.from({ length: latents }, (_, latent) => {
    const own = Array.from({ length: prompts }, (_, b) => acts[b * latents + latent]!)
    const over = own.filter((value) => value > maxima[latent]! * shareOfMax)
    return { latent, meanActivation: mean(over), share: over.length / prompts }
  })
  return all
    .filter(({ share, meanActivation }) => share >= minShare && meanActivation > 0)
    .sort((a, b) => b.meanActivation - a.meanActivation)
    .slice(0, limit)
}
