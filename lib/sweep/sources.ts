/** Prompts that activations are taken from. */
import { ArgumentError } from '../errors/errors.js'
import { random } from '../stats/random.js'
import type { Tokens } from '../tokens/tokens.js'

/** @throws ArgumentError when a prompt and its source do not have their real tokens at the same positions. */
export function checkSource(verb: string, tokens: Tokens, source: Tokens): void {
  const sameShape = source.batch === tokens.batch && source.positions === tokens.positions
  if (sameShape && JSON.stringify(source.mask) === JSON.stringify(tokens.mask)) return
  const lengths = sameShape ? ', padded otherwise' : ''
  throw new ArgumentError(
    `${verb}: the source has ${source.batch} prompts of ${source.positions} tokens${lengths}, the prompts are ${tokens.batch} of ${tokens.positions}. ` +
      'Each prompt needs a source of its own length.',
  )
}

/**
 * The prompt each prompt is resampled from, one a prompt: the sources in their order; of the prompts themselves moved
 * round by a random step, so that none gets its own.
 */
export function resampleOrder(verb: string, tokens: Tokens, source: Tokens, seed: number): number[] {
  const own = JSON.stringify(source.rows) === JSON.stringify(tokens.rows)
  if (own && tokens.batch < 2)
    throw new ArgumentError(`${verb}: a single prompt has no other to resample from. Give a source.`)
  checkSource(verb, tokens, source)
  if (own && tokens.mask)
    throw new ArgumentError(`${verb}: prompts of several lengths cannot stand in for each other. Give a source.`)
  const step = own ? 1 + random(seed).integer(tokens.batch - 1) : 0
  return tokens.rows.map((_, b) => (b + step) % tokens.batch)
}
