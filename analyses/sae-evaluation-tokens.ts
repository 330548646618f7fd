/** Which tokens count in an SAE's evaluation, as masks. B rows, P positions. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../lib/errors.js'
import type { HookedModel } from '../lib/model.js'
import type { Tokens } from '../lib/tokens/tokens.js'

export type Excluded = 'special' | 'first' | 'none' | readonly number[]

/** 1 where a token counts, else 0; the caller owns the tensors. */
export interface Counted {
  readonly losses: 'counted' | 'all'
  /** Of activations [B,P]. */
  activations(tokens: Tokens): tf.Tensor2D
  /** Where the activation is replaced, and what predictions count [B,P]. */
  replaced(tokens: Tokens): tf.Tensor2D
  /** Of next-token losses [B,P−1]: the token at that place counts, and the next is no filling. */
  predicted(tokens: Tokens): tf.Tensor2D
}

/** Whether the token at a position is left out, whatever the padding. */
export type IsExcluded = (id: number, position: number) => boolean

/** @throws ArgumentError for something that names no tokens of this model */
export function excludedIds(view: HookedModel, exclude: Excluded): IsExcluded {
  if (exclude === 'none') return () => false
  if (exclude === 'first') return (_, position) => position === 0
  const { bosId, eosId, padId } = view.tokenizer ?? {}
  if (exclude === 'special') return (id) => id === bosId || id === eosId || id === padId
  const { dVocab } = view.config
  if (Array.isArray(exclude) && exclude.every((id) => Number.isInteger(id) && id >= 0 && id < dVocab))
    return (id) => exclude.includes(id)
  throw new ArgumentError(
    `evaluateSae: exclude is ${JSON.stringify(exclude)}. It must be 'special', 'first', 'none' or a list of token ids from 0 to ${dVocab - 1}.`,
  )
}

export function countedTokens(isExcluded: IsExcluded, losses: 'counted' | 'all'): Counted {
  const mask = (tokens: Tokens, excluding: boolean, length: number) => {
    const real = (row: number, p: number) => tokens.mask?.[row]?.[p] ?? 1
    const counts = (id: number, row: number, p: number) => (excluding && isExcluded(id, p) ? 0 : real(row, p))
    const rows = tokens.rows.map((ids, row) =>
      ids.slice(0, length).map((id, p) => counts(id, row, p) * (length < ids.length ? real(row, p + 1) : 1)),
    )
    return tf.tensor2d(rows, [tokens.batch, length], 'float32')
  }
  return {
    losses,
    activations: (tokens) => mask(tokens, true, tokens.positions),
    replaced: (tokens) => mask(tokens, losses === 'counted', tokens.positions),
    predicted: (tokens) => mask(tokens, losses === 'counted', tokens.positions - 1),
  }
}
