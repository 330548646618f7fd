/** Positions in a prompt: one, counted from either end, or a range. */
import { ArgumentError } from '../errors/errors.js'
import type { Tokens } from '../tokens/tokens.js'

/** One position (−1 is the last) or a range [begin, end), either counted from the end when negative. */
export type PositionSlice = number | readonly [begin: number, end: number]

/** An index from 0, for one that may count from the end. @throws ArgumentError outside the prompt. */
export function resolvePosition(verb: string, position: number, positions: number): number {
  if (!Number.isInteger(position) || position < -positions || position >= positions) {
    throw new ArgumentError(
      `${verb}: there is no position ${position} in prompts of ${positions} tokens. Give a whole number from ${-positions} to ${positions - 1}.`,
    )
  }
  return position < 0 ? position + positions : position
}

/** Where a slice begins and how long it is. One position gives a range of length 1. @throws ArgumentError */
export function sliceRange(slice: PositionSlice, positions: number): { begin: number; size: number } {
  if (typeof slice === 'number') return { begin: resolvePosition('positions', slice, positions), size: 1 }
  const begin = resolvePosition('positions', slice[0], positions)
  const end = slice[1] === positions ? positions : resolvePosition('positions', slice[1], positions)
  if (end <= begin)
    throw new ArgumentError(
      `positions: the range [${slice}] is empty in prompts of ${positions} tokens. Its end must lie behind its begin.`,
    )
  return { begin, size: end - begin }
}

/** The position in each prompt [B]; negative ones count from its last real token, so that padding does not matter. @throws ArgumentError */
export function promptPositions(tokens: Tokens, position: number, verb = 'metric'): number[] {
  return tokens.rows.map((row, b) => {
    const mask = tokens.mask?.[b]
    if (!mask) return resolvePosition(verb, position, row.length)
    const first = mask.indexOf(1)
    const length = mask.lastIndexOf(1) + 1 - first
    return first + resolvePosition(verb, position, length)
  })
}
