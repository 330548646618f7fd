/** Positions in prompts: which of them an analysis looks at. B prompts · P positions */
import { promptPositions, resolvePosition } from '../lib/core/positions.js'
import { ArgumentError } from '../lib/errors/errors.js'
import type { Tokens } from '../lib/tokens/tokens.js'

/** One position for all prompts (−1 is the last real token), one for each, or all positions. */
export type PromptPositions = number | readonly number[] | 'all'

/**
 * The column of each prompt's position in the padded batch [B]; undefined for all.
 * @param name what messages call the caller @default 'positionsAt'
 * @example positionsAt(model.toTokens(['Once upon a time', 'The cat']), -1) // [4, 2]
 * @throws ArgumentError for a position that a prompt does not have, or not one for each prompt
 */
export function positionsAt(tokens: Tokens, positions: PromptPositions, name = 'positionsAt'): number[] | undefined {
  if (positions === 'all') return undefined
  if (typeof positions === 'number') return promptPositions(tokens, positions, name)
  if (!Array.isArray(positions) || positions.length !== tokens.batch) {
    throw new ArgumentError(
      `${name}: position is ${JSON.stringify(positions)}. Give a number, 'all', or a list of one for each of the ` +
        `${tokens.batch} prompts.`,
    )
  }
  return (positions as readonly number[]).map((position, b) => {
    const mask = tokens.mask?.[b]
    const first = mask ? mask.indexOf(1) : 0
    return first + resolvePosition(name, position, mask ? mask.lastIndexOf(1) + 1 - first : tokens.positions)
  })
}
