/** Next-token losses of the same prompts under several conditions, each a view. B prompts · P positions */
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import type { Result } from '../../lib/report/result/result.js'
import { type Prompts, tokenOptionNames, type TokenOptions } from '../../lib/tokens/tokens.js'
import type { LossExtra } from '../loss-sweep.js'
import { lossPositions, promptLosses } from '../losses.js'
import type { PromptPositions } from '../prompt-positions.js'
import { eachCondition } from './conditions.js'

/** Which prediction of each prompt is judged. */
export interface CompareLossesOptions extends TokenOptions, ProgressOptions {
  /** The position whose prediction of the next token is judged; for `'all'` the mean over each prompt's. @default -2 */
  readonly position?: PromptPositions
}

/** The names of `CompareLossesOptions`, for `checkOptions`. */
export const compareLossesOptionNames: OptionNames<CompareLossesOptions> = {
  position: true,
  ...progressOptionNames,
  ...tokenOptionNames,
}

/**
 * The loss of each prompt under each condition, in nats: axes [prompt, condition]. At a position p it is
 * −log p(token p + 1 | tokens up to p); the default −2 judges the prediction of the last token.
 *
 * @example
 * const zeroed = withReplaced(model, point('mlp_out', 3))
 * ;(await compareLosses({ original: model, 'no MLP 3': zeroed }, prompts)).mean('prompt').print()
 * @throws ArgumentError for no condition, a position after which there is no token, or a prompt of one token
 */
export async function compareLosses(
  views: Readonly<Record<string, HookedModel>>,
  prompts: Prompts,
  options: CompareLossesOptions = {},
): Promise<Result<LossExtra>> {
  const name = 'compareLosses'
  checkOptions(name, options, compareLossesOptionNames)
  const { position = -2 } = options
  return eachCondition<LossExtra>(views, prompts, {
    name,
    options,
    measure(tokens) {
      const positions = lossPositions(name, tokens, position)
      return {
        kind: 'losses',
        title: 'next-token loss',
        unit: 'nats',
        extra: { position: typeof position === 'object' ? [...position] : position },
        of: (view) => promptLosses(view, tokens, positions),
      }
    },
  })
}
