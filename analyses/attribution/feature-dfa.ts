/**
 * Direct feature attribution: how much each source token puts into a latent of an attention SAE, as the attention
 * pattern moves it there (Kissane et al. 2024, arXiv:2406.17759). With the pattern taken as given, z is a sum over
 * sources and the encoder is linear, so
 *
 *     dfa[s] = Σ_h pattern[h,q,s] · v[s,h] · W_enc[h,:,latent],
 *
 * and over all sources they sum to the latent's pre-activation at q, less b_enc (and with b_dec · W_enc more where the
 * SAE takes b_dec off its input). Axes: B prompt · Q, S destination and source position · H heads · G heads of values ·
 * K d_head · E examples
 */
import type { HookName } from '../../lib/core/hooks.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenOptionsOf, type Prompts, type TokenOptions } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { positionAxis, promptAxis } from '../../lib/core/labels.js'
import { checkDfa, sourceScores } from '../source-scores.js'

export interface FeatureDfaOptions extends TokenOptions {
  readonly latents: readonly number[]
  /** The destination: where the latent is read. @default -1, the last real token */
  readonly position?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * What each source token adds to latents of the view's attention SAE at a destination: axes [latent, prompt, source],
 * unit of the pre-activation. Sources behind the destination have 0.
 * @throws MismatchError for an SAE that is not of hook_z, or rescales its input; ArgumentError for a latent or position
 *   that is not there
 */
export async function featureDfa(view: HookedModel, prompts: Prompts, options: FeatureDfaOptions): Promise<Result> {
  const attached = saeAt('featureDfa', view, options.hook)
  const { sae } = attached
  checkDfa('featureDfa', attached)
  const latents = chosenLatents('featureDfa', sae, options.latents)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const positions = promptPositions(tokens, options.position ?? -1, 'featureDfa')
  const targets = latents.flatMap((latent) => positions.map((position, row) => ({ row, position, latent })))
  const sources = Array.from({ length: tokens.positions }, (_, p) => p)
  return new Result({
    kind: 'direct feature attribution',
    title: 'what source tokens add to the pre-activation',
    unit: '',
    values: await sourceScores(view, sae, tokens, targets),
    axes: [
      { name: 'latent', labels: latents.map((latent) => `latent ${latent}`) },
      promptAxis(view, tokens),
      { ...positionAxis(view, tokens, sources), name: 'source' },
    ],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { positions },
  })
}
