/** What the model loses when latents' directions are taken out of the activation. */
import type { HookName } from '../../lib/core/hooks.js'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, Tokens } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { chosenLatents, saeWithError } from '../attached-saes.js'
import { lossesAt, withoutDirections } from '../loss-sweep.js'
import { lossPositions } from '../losses.js'
import { compareLosses, type CompareLossesOptions } from './compare-losses.js'
import { withoutError, withoutLatents } from './view-edits.js'

export interface LatentAblationOptions extends CompareLossesOptions {
  /** Taken out together. */
  readonly latents: readonly number[]
  /** Judge what is left of the reconstruction alone, without the SAE's error. @default false */
  readonly encoded?: boolean
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * Losses of each prompt with and without what some latents write, x − Σ_f act_f · W_dec[f], at the position whose
 * prediction is judged (for `position: 'all'` at every token): axes [prompt, condition], conditions `original` and
 * `ablated`; nats. The view has the SAE attached with its error term, so that nothing else changes. With `encoded` the
 * error is left out of the ablated run: decode(acts without the latents) stands in for x.
 * @throws ArgumentError when the SAE is attached without its error term, there is no latent or it has no such; HookError
 */
export async function latentAblation(
  view: HookedModel,
  prompts: Prompts,
  options: LatentAblationOptions,
): Promise<Result> {
  const { position = -2, encoded = false } = options
  const attached = saeWithError('latentAblation', view, options.hook)
  const latents = chosenLatents('latentAblation', attached.sae, options.latents)
  const tokens = view.toTokens(prompts, options)
  const losses =
    typeof position === 'number'
      ? await lossesAt('latentAblation', view, tokens, { ...options, position }, { ablated: withoutDirections(attached, latents, encoded) }) // prettier-ignore
      : await compareLosses({ original: view, ablated: ablatedView(view, attached, tokens, options) }, tokens, options)
  return new Result({ ...losses, kind: 'latent ablation', extra: { ...losses.extra, latents: [...latents] } })
}

function ablatedView(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  tokens: Tokens,
  { position, latents, encoded }: LatentAblationOptions,
): HookedModel {
  const positions = lossPositions('latentAblation', tokens, position!)
  const without = withoutLatents(view, attached, latents, positions)
  return encoded ? withoutError(without, attached, positions) : without
}
