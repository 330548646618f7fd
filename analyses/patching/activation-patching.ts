/** Activation patching: run one set of prompts with activations taken from another, one place at a time. */
import type { HookedModel } from '../../lib/model.js'
import type { Prompts } from '../../lib/tokens/tokens.js'
import type { EffectResult } from '../../lib/report/result/effect-result.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import { isHeadTarget } from './targets.js'
import { intervene, type InterventionOptions } from './interventions.js'

export interface PatchingOptions extends Omit<InterventionOptions, 'position'> {
  /** Prompts the activations come from, one for each prompt, of the same length. */
  readonly source: Prompts
  /** @default 'each' for layers' points, 'all' for heads, latents and whole hooks */
  readonly position?: InterventionOptions['position']
}

/**
 * Change of the metric when an activation is replaced by its value on the source prompts: axes
 * [target…, (position), prompt]. Run the corrupted prompts with clean sources to find what is enough to restore the
 * answer, the other way round to find what is needed. `baseline` is the metric on the prompts as they are, `source`
 * that on the source prompts (of metrics that are no functions), and `restored()` the share of the difference that a
 * place restores.
 * Meng et al. 2022, arXiv:2202.05262; Wang et al. 2022, arXiv:2211.00593.
 * @throws ArgumentError when prompts and sources do not have one shape
 */
export function activationPatching(
  view: HookedModel,
  prompts: Prompts,
  options: PatchingOptions,
): Promise<EffectResult> {
  const { target } = options
  const position = options.position ?? (typeof target === 'string' && !isHeadTarget(target) ? 'each' : 'all')
  return intervene('activation patching', view, prompts, { ...options, position }, (tokens) => {
    const source = view.toTokens(options.source, options)
    checkSource('activationPatching', tokens, source)
    return { to: 'source', source }
  })
}
