/** Next-token losses of the same prompts under several conditions, each a view. B prompts · P positions */
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions } from '../../lib/tokens/tokens.js'
import type { Result } from '../../lib/report/result/result.js'
import { eachCondition } from './conditions.js'
import { lossPositions, promptLosses } from '../losses.js'
import type { PromptPositions } from '../prompt-positions.js'

export interface CompareLossesOptions extends TokenOptions {
  /** The position whose prediction of the next token is judged; for `'all'` the mean over each prompt's. @default -2 */
  readonly position?: PromptPositions
}

/**
 * The loss of each prompt under each condition, in nats: axes [prompt, condition]. At a position p it is
 * −log p(token p + 1 | tokens up to p); the default −2 judges the prediction of the last token.
 *
 * `await compareLosses({ original: model, zero: model.withHooks(…) }, prompts)`
 * @throws ArgumentError for no condition, a position behind which no token stands, or a prompt of one token
 */
export async function compareLosses(
  views: Readonly<Record<string, HookedModel>>,
  prompts: Prompts,
  options: CompareLossesOptions = {},
): Promise<Result> {
  const { position = -2 } = options
  return eachCondition('compareLosses', views, prompts, options, (tokens) => {
    const positions = lossPositions('compareLosses', tokens, position)
    return {
      kind: 'losses',
      title: 'next-token loss',
      unit: 'nats',
      extra: { position: typeof position === 'object' ? [...position] : position },
      of: (view) => promptLosses(view, tokens, positions),
    }
  })
}
