/** Prompts in pairs: each with one that activations are taken from. */
import { ArgumentError } from '../errors/errors.js'
import type { Tokens } from './tokens.js'

/** @throws ArgumentError when a prompt and its source do not have their real tokens at the same positions */
export function checkSource(verb: string, tokens: Tokens, source: Tokens): void {
  const sameShape = source.batch === tokens.batch && source.positions === tokens.positions
  if (sameShape && JSON.stringify(source.mask) === JSON.stringify(tokens.mask)) return
  const lengths = sameShape ? ', padded otherwise' : ''
  throw new ArgumentError(
    `${verb}: the source has ${source.batch} prompts of ${source.positions} tokens${lengths}, the prompts are ${tokens.batch} of ${tokens.positions}. ` +
      'Each prompt needs a source of its own length.',
  )
}
