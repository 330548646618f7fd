/** Which prompt stands in for which. */
import { ArgumentError } from '../../errors/errors.js'
import { random } from '../../stats/random.js'
import { checkSource } from '../../tokens/paired-prompts.js'
import type { Tokens } from '../../tokens/tokens.js'

/**
 * The prompt each prompt is resampled from, one a prompt: the sources in their order; of the prompts themselves moved
 * round by a random step, so that none gets its own.
 * @throws ArgumentError where there is no other prompt of the same length
 */
export function resampleOrder(verb: string, { tokens, source }: ResampledPrompts, seed: number): number[] {
  const own = JSON.stringify(source.rows) === JSON.stringify(tokens.rows)
  if (own && tokens.batch < 2)
    throw new ArgumentError(`${verb}: a single prompt has no other to resample from. Give a source.`)
  checkSource(verb, tokens, source)
  if (own && tokens.mask)
    throw new ArgumentError(`${verb}: prompts of several lengths cannot stand in for each other. Give a source.`)
  const step = own ? 1 + random(seed).integer(tokens.batch - 1) : 0
  return tokens.rows.map((_, b) => (b + step) % tokens.batch)
}

interface ResampledPrompts {
  readonly tokens: Tokens
  readonly source: Tokens
}
