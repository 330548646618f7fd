/** What the model loses at one position when an SAE's reconstruction, or nothing, stands in for the activation. */
import type { HookName } from '../../lib/core/hooks.js'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, Tokens } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { errorOut, lossesAt } from '../loss-sweep.js'
import { saeWithError } from '../attached-saes.js'
import { lossPositions, lossRecovered } from '../losses.js'
import { compareLosses, withoutError, withReplaced, type CompareLossesOptions } from '../patching/index.js'
import type { PromptPositions } from '../prompt-positions.js'

export interface ReconstructionLossOptions extends CompareLossesOptions {
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * Losses of each prompt with the activation as it is, 0, and the reconstruction of the view's SAE (attached with its
 * error term), changed only at the position whose prediction is judged: axes [prompt, condition], conditions
 * `original`, `ablated`, `encoded`; nats. `extra.lossRecovered` is
 * (ablated − encoded) / (ablated − original) of the means over prompts.
 * @throws ArgumentError when the SAE is attached without its error term; HookError
 */
export async function reconstructionLoss(
  view: HookedModel,
  prompts: Prompts,
  options: ReconstructionLossOptions = {},
): Promise<Result> {
  const { position = -2 } = options
  const attached = saeWithError('reconstructionLoss', view, options.hook)
  const tokens = view.toTokens(prompts, options)
  const losses =
    typeof position === 'number'
      ? await lossesAt('reconstructionLoss', view, tokens, { ...options, position }, { ablated: [{ hook: attached.writesAt, to: 'zero' }], encoded: [errorOut(attached.writesAt)] }) // prettier-ignore
      : await compareLosses(changedViews(view, attached, tokens, position), tokens, options)
  const [original, ablated, encoded] = losses.mean('prompt').values as unknown as [number, number, number]
  return new Result({
    ...losses,
    kind: 'reconstruction loss',
    extra: { ...losses.extra, lossRecovered: lossRecovered(original, ablated, encoded) },
  })
}

function changedViews(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  tokens: Tokens,
  position: Exclude<PromptPositions, number>,
) {
  const positions = lossPositions('reconstructionLoss', tokens, position)
  return {
    original: view,
    ablated: withReplaced(view, attached.writesAt, positions),
    encoded: withoutError(view, attached, positions),
  }
}
