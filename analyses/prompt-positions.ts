/** Positions in prompts: which of them an analysis looks at. B prompts · P positions */
import { promptPositions, resolvePosition } from '../lib/core/positions.js'
import { ArgumentError } from '../lib/errors/errors.js'
import type { Tokens } from '../lib/tokens/tokens.js'

/** One position for all prompts (−1 is the last real token), one for each, or all positions. */
export type PromptPositions = number | readonly number[] | 'all'

/** The column of each prompt's position in the padded batch [B]; undefined for all. @throws ArgumentError */
export function positionsAt(name: string, tokens: Tokens, positions: PromptPositions): number[] | undefined {
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
