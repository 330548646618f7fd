/** Activation patching: prompts are run with an activation taken from others, one place at a time. */
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenOptionsOf, type Prompts } from '../../lib/tokens/tokens.js'
import type { EffectResult } from '../../lib/report/result/effect-result.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import {
  intervene,
  interventionOptionNames,
  type InterventionExtra,
  type InterventionOptions,
} from './interventions.js'
import { isLayerTarget } from './targets.js'

/** What to patch, from which prompts, and what the change is measured by. */
export interface PatchingOptions extends Omit<InterventionOptions, 'position'> {
  /** Prompts the activations come from, one for each prompt, of the same length. */
  readonly source: Prompts
  /** @default 'each' for layers' points by name, 'all' for everything else */
  readonly position?: InterventionOptions['position']
}

const optionNames: OptionNames<PatchingOptions> = { ...interventionOptionNames, source: true }

/**
 * Change of the metric when an activation is replaced by its value on the source prompts: axes
 * [target…, (position), prompt], in the unit of the metric. Run the corrupted prompts with clean sources to find what
 * is enough to restore the answer, the other way round to find what is needed. `baseline` is the metric on the prompts
 * as they are, `source` that on the source prompts (of metrics that are no functions), and `restored()` the share of the
 * difference that a place restores.
 *
 * Meng et al. 2022, arXiv:2202.05262; Wang et al. 2022, arXiv:2211.00593.
 *
 * @example
 * const patched = await activationPatching(model, corrupt, { metric, target: 'resid_pre', source: clean })
 * patched.mean('prompt').restored().top(4).print()
 * @throws ArgumentError when prompts and sources do not have one shape; HookError, TokenError before any run
 */
export async function activationPatching(
  view: HookedModel,
  prompts: Prompts,
  options: PatchingOptions,
): Promise<EffectResult<InterventionExtra>> {
  const name = 'activationPatching'
  checkOptions(name, options, optionNames)
  const position = options.position ?? (isLayerTarget(options.target) ? 'each' : 'all')
  return intervene(view, prompts, {
    name,
    kind: 'activation patching',
    options: { ...options, position },
    prepare(tokens) {
      const source = view.toTokens(options.source, tokenOptionsOf(options))
      checkSource(name, tokens, source)
      return { to: 'source', source }
    },
  })
}
