/** What the model loses when latents' directions are taken out of the activation. */
import type { HookName } from '../lib/hooks.js'
import type { HookedModel, Input } from '../lib/model.js'
import { Result } from '../lib/report/result.js'
import { lossesUnder, lossPositions, type LossesOptions } from './losses-under.js'
import { encoderWithError, withoutError, withoutLatents } from './view-edits.js'

export interface DirectionAblationOptions extends LossesOptions {
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
 * @throws ArgumentError when the SAE is attached without its error term, or has no such latent; HookError
 */
export async function directionAblation(
  view: HookedModel,
  prompts: Input,
  options: DirectionAblationOptions,
): Promise<Result> {
  const encoder = encoderWithError('directionAblation', view, options.hook)
  for (const latent of options.latents) encoder.sae.checkLatent(latent)
  const tokens = view.toTokens(prompts, options)
  const positions = lossPositions('directionAblation', tokens, options.position ?? -2)
  const without = withoutLatents(view, encoder, options.latents, positions)
  const ablated = options.encoded ? withoutError(without, encoder, positions) : without
  const losses = await lossesUnder({ original: view, ablated }, tokens, options)
  return new Result({
    ...losses,
    kind: 'direction ablation',
    extra: { ...losses.extra, latents: [...options.latents] },
  })
}
