/** Ablation: what a metric loses when heads, latents, layers or positions are replaced by nothing, a mean, or another prompt's. */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts } from '../../lib/tokens/tokens.js'
import type { EffectResult } from '../../lib/report/result/effect-result.js'
import { intervene, type InterventionOptions } from './interventions.js'

export interface AblationOptions extends InterventionOptions {
  /**
   * What takes the activation's place: zeros; its mean over all real positions of the source prompts; or its value, at
   * the same position, on the source prompt of the same number. Without a source that is another of the prompts, drawn
   * once with `seed`. @default 'zero'
   */
  readonly mode?: 'zero' | 'mean' | 'resample'
  /** Prompts for mean and resample. @default the prompts themselves */
  readonly source?: Prompts
  /** For resample. @default 0 */
  readonly seed?: number
}

/**
 * Change of the metric when each target is ablated: axes [target…, (position), prompt], unit of the metric. Negative
 * where the target helped. `baseline` is the metric without ablation.
 *
 * `ablation(model, prompts, { metric, target: 'heads' })`,
 * `ablation(model.withSaes(sae, { errorTerm: true }), prompts, { metric, target: { latents: [3, 14] }, position: -1 })`
 * @throws ArgumentError, HookError, TokenError before any run
 */
export function ablation(view: HookedModel, prompts: Prompts, options: AblationOptions): Promise<EffectResult> {
  const { mode = 'zero', seed = 0 } = options
  if (!['zero', 'mean', 'resample'].includes(mode)) {
    throw new ArgumentError(`ablation: mode is '${String(mode)}'. It must be 'zero', 'mean' or 'resample'.`)
  }
  return intervene('ablation', view, prompts, options, (tokens) => {
    if (mode === 'zero') return { to: mode, extra: { mode } }
    const source = options.source === undefined ? tokens : view.toTokens(options.source, options)
    return { to: mode, source, seed, extra: { mode } }
  })
}
