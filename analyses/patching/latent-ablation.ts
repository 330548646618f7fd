/** What the model loses when what latents write is taken out of the activation. */
import type { Site } from '../../lib/core/sites.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { Result } from '../../lib/report/result/result.js'
import { tokenOptionsOf, type Prompts, type Tokens } from '../../lib/tokens/tokens.js'
import { checkErrorTerm } from '../attached-saes.js'
import { latentsOut, lossesAt, type LossExtra } from '../loss-sweep.js'
import { lossPositions } from '../losses.js'
import { latentsOfSite } from '../sites.js'
import { compareLosses, compareLossesOptionNames, type CompareLossesOptions } from './compare-losses.js'
import { withoutError, withoutLatents } from './view-edits.js'

/** Which latents to take out, and which prediction is judged. */
export interface LatentAblationOptions extends CompareLossesOptions {
  /** Latents of an SAE of the view, taken out together: `latents(sae, 3, 14)`. */
  readonly target: Site
  /** Judge what is left of the reconstruction alone, without the SAE's error. @default false */
  readonly encoded?: boolean
}

const optionNames: OptionNames<LatentAblationOptions> = { target: true, encoded: true, ...compareLossesOptionNames }

/** What comes with the losses. */
export type LatentAblationExtra = LossExtra & {
  /** Those taken out. */
  readonly latents: readonly number[]
  /** Whether the reconstruction alone is judged. */
  readonly encoded: boolean
}

/**
 * Losses of each prompt with and without what some latents write, x − Σ_f act_f · W_dec[f], at the position whose
 * prediction is judged (for `position: 'all'` at every token): axes [prompt, condition], conditions `original` and
 * `ablated`; nats. The view has the SAE attached with its error term, so that nothing else changes. With `encoded` the
 * error is left out of the ablated run: decode(acts without the latents) takes x's place.
 *
 * @example
 * const view = model.withSaes(sae, { errorTerm: true })
 * ;(await latentAblation(view, prompts, { target: latents(sae, 3, 14) })).mean('prompt').print()
 * @throws ArgumentError when the SAE is attached without its error term, or for a latent that it does not have;
 *   HookError
 */
export async function latentAblation(
  view: HookedModel,
  prompts: Prompts,
  options: LatentAblationOptions,
): Promise<Result<LatentAblationExtra>> {
  const name = 'latentAblation'
  checkOptions(name, options, optionNames)
  const { target, position = -2, encoded = false, ...rest } = options
  const { attached, latents } = latentsOfSite(name, view, target)
  checkErrorTerm(name, attached)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const interventions = { ablated: latentsOut(attached, latents, encoded) }
  const losses =
    typeof position === 'number'
      ? await lossesAt(view, tokens, { name, position, interventions, options: rest })
      : await compareLosses(viewsOf(view, tokens, options), tokens, { ...rest, position })
  const extra = { ...losses.extra, latents: [...latents], encoded }
  return new Result<LatentAblationExtra>({ ...losses, kind: 'latent ablation', extra })
}

/** The conditions as views, for positions of each prompt's own. */
function viewsOf(view: HookedModel, tokens: Tokens, options: LatentAblationOptions): Record<string, HookedModel> {
  const { target, position = -2, encoded } = options
  const positions = lossPositions('latentAblation', tokens, position)
  const { attached } = latentsOfSite('latentAblation', view, target)
  const without = withoutLatents(view, target, { positions })
  return { original: view, ablated: encoded ? withoutError(without, { positions, hook: attached.readsAt }) : without }
}
