/** Between texts, tokens and positions: the small questions asked of a prompt. Semantics of TransformerLens. */
import { ArgumentError, TokenError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import type { Tokenizer } from './tokenizer.js'
import { checkTokenIds } from './token-ids.js'
import { requireTokenizer, toTokens, type TokenContext } from './tokens.js'

/** Text of ids, special tokens included. @throws TokenError when an id is not in the vocabulary. */
export function toString(context: TokenContext, ids: readonly number[]): string {
  checkTokenIds('toString', ids, context)
  return requireTokenizer(context, 'toString').decode(ids)
}

/**
 * The tokens of a text or of ids, `[P]`, each decoded alone: a token with part of a character shows as U+FFFD.
 * A text gets BOS in front unless `prependBos` is false, and is cut to the context.
 * @throws TokenError as `toTokens`; no tokens at all give an empty list.
 */
export function toStrTokens(
  context: TokenContext,
  prompt: string | readonly number[],
  options: { prependBos?: boolean } = {},
): string[] {
  const tokenizer = requireTokenizer(context, 'toStrTokens')
  return promptIds(context, 'toStrTokens', prompt, options.prependBos).map((id) => tokenizer.tokenString(id))
}

/** The id of a text that is exactly one token. @throws TokenError that lists the tokens when it is not. */
export function toSingleToken(context: TokenContext, text: string): number {
  const tokenizer = requireTokenizer(context, 'toSingleToken')
  const ids = tokenizer.encode(text)
  if (ids.length === 1) return ids[0]!
  const list = ids.map((id) => `${JSON.stringify(tokenizer.tokenString(id))} (${id})`).join(', ')
  const found = ids.length === 0 ? 'no tokens' : `${ids.length} tokens: ${list}`
  throw new TokenError(
    `toSingleToken: ${JSON.stringify(text)} is ${found}. Give exactly one.${otherSpacing(tokenizer, text)}`,
  )
}

/** A name at the start of a text and inside it are different tokens: the usual slip is the space in front. */
function otherSpacing(tokenizer: Tokenizer, text: string): string {
  const other = text.startsWith(' ') ? text.trimStart() : ` ${text}`
  return tokenizer.encode(other).length === 1 ? ` Did you mean ${JSON.stringify(other)}?` : ''
}

/** A text or its ids. */
export type Prompt = string | readonly number[]

export interface PositionOptions {
  /** The first (default) or the last place where it stands. */
  mode?: 'first' | 'last'
  /** Whether a text prompt has BOS in front (default true), which counts as position 0. */
  prependBos?: boolean
}

/**
 * Position of one token, a text or an id, in a prompt, a text or ids.
 * @throws TokenError when it is not one token, or does not occur.
 */
export function getTokenPosition(
  context: TokenContext,
  single: string | number,
  prompt: string | readonly number[],
  { mode = 'first', prependBos = true }: PositionOptions = {},
): number {
  if (mode !== 'first' && mode !== 'last') {
    throw new ArgumentError(`getTokenPosition: mode is ${JSON.stringify(mode)}. It must be 'first' or 'last'.`)
  }
  const id = typeof single === 'string' ? toSingleToken(context, single) : single
  checkTokenIds('getTokenPosition', id, context)
  const ids = promptIds(context, 'getTokenPosition', prompt, prependBos)
  const position = mode === 'first' ? ids.indexOf(id) : ids.lastIndexOf(id)
  if (position >= 0) return position
  throw new TokenError(absent(context, id, ids))
}

function absent({ tokenizer }: TokenContext, id: number, ids: readonly number[]): string {
  const show = (one: number) => (tokenizer ? tokenizer.tokenString(one) : String(one))
  const tokens = ids.map(show)
  const list = tokens
    .slice(0, 40)
    .map((token) => JSON.stringify(token))
    .join(', ')
  const rest = tokens.length > 40 ? `, and ${tokens.length - 40} more` : ''
  return (
    `getTokenPosition: token ${JSON.stringify(show(id))} (${id}) does not occur in the prompt. ` +
    `Its tokens are ${list}${rest}.${didYouMean(show(id), tokens)}`
  )
}

function promptIds(
  context: TokenContext,
  verb: string,
  prompt: string | readonly number[],
  prependBos = true,
): readonly number[] {
  if (typeof prompt !== 'string') {
    checkTokenIds(verb, prompt, context)
    return prompt
  }
  if (prompt === '' && !prependBos) return []
  return toTokens(context, prompt, { prependBos }).rows[0]!
}
