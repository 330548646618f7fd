/** Ablation: what a metric loses when something is replaced by zeros, by its mean, or by another prompt's. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenOptionsOf, type Prompts } from '../../lib/tokens/tokens.js'
import type { EffectResult } from '../../lib/report/result/effect-result.js'
import {
  intervene,
  interventionOptionNames,
  type InterventionExtra,
  type InterventionOptions,
} from './interventions.js'

/** What to ablate, by what, and what the change is measured by. */
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

const optionNames: OptionNames<AblationOptions> = { ...interventionOptionNames, mode: true, source: true, seed: true }

/**
 * Change of the metric when each place of the target is ablated: axes [target…, (position), prompt], in the unit of the
 * metric. Negative where the target helped. `baseline` is the metric without ablation.
 *
 * @example
 * const heads = await ablation(model, prompts, { metric: logitDiff(' Carl', ' Eva'), target: 'heads' })
 * heads.mean('prompt').print()
 * const view = model.withSaes(sae, { errorTerm: true })
 * await ablation(view, prompts, { metric, target: latents(sae, 3, 14), position: -1 })
 * @throws ArgumentError, HookError, TokenError before any run
 */
export async function ablation(
  view: HookedModel,
  prompts: Prompts,
  options: AblationOptions,
): Promise<EffectResult<InterventionExtra>> {
  checkOptions('ablation', options, optionNames)
  const { mode = 'zero', seed = 0, source } = options
  if (!['zero', 'mean', 'resample'].includes(mode)) {
    throw new ArgumentError(`ablation: mode is '${String(mode)}'. It must be 'zero', 'mean' or 'resample'.`)
  }
  return intervene(view, prompts, {
    name: 'ablation',
    kind: 'ablation',
    options,
    prepare(tokens) {
      if (mode === 'zero') return { to: mode, mode }
      return {
        to: mode,
        mode,
        source: source === undefined ? tokens : view.toTokens(source, tokenOptionsOf(options)),
        seed,
      }
    },
  })
}
