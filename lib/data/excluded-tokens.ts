/** Which tokens of a batch take part: padding never does, special tokens on request. */
import { z } from 'zod'
import { ArgumentError } from '../errors/errors.js'
import type { JsonObject } from '../report/result/json.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import type { TokenBatch } from './token-data.js'

/**
 * Tokens to leave out: `bos`, the BOS token that begins a row; `special`, every BOS, EOS and padding id wherever it
 * stands (SAELens's exclude_special_tokens); or the ids in a list.
 */
export type ExcludedTokens = 'none' | 'bos' | 'special' | readonly number[]

/** `ExcludedTokens` in a file. */
export const excludedField = z.union([z.enum(['none', 'bos', 'special']), z.array(z.int())])

/** Ids of a tokenizer's special tokens, as far as it has them. */
export interface SpecialIds extends JsonObject {
  readonly bos?: number
  readonly eos?: number
  readonly pad?: number
}

/** The special tokens of a tokenizer. */
export function specialIds(tokenizer: Tokenizer | undefined): SpecialIds {
  const ids = { bos: tokenizer?.bosId, eos: tokenizer?.eosId, pad: tokenizer?.padId }
  return Object.fromEntries(Object.entries(ids).filter(([, id]) => id !== undefined))
}

/** Whether a token of this id takes part, so many real tokens after the beginning of its row. */
export type Keeps = (id: number, position: number) => boolean

/** What decides which tokens take part. @throws ArgumentError for what is no such choice */
export function keeps(verb: string, exclude: ExcludedTokens, { bos, eos, pad }: SpecialIds): Keeps {
  if (exclude === 'none') return () => true
  if (exclude === 'bos') return (id, position) => position > 0 || id !== bos
  const ids: readonly unknown[] = exclude === 'special' ? [bos, eos, pad] : Array.isArray(exclude) ? exclude : ['']
  if (exclude !== 'special' && !ids.every(Number.isInteger)) {
    throw new ArgumentError(
      `${verb}: exclude is ${JSON.stringify(exclude)}. It must be 'none', 'bos', 'special' or a list of token ids.`,
    )
  }
  const left = new Set(ids)
  return (id) => !left.has(id)
}

/** The tokens of a batch that take part, in reading order. N tokens. */
export interface KeptTokens {
  /** [N] place in the batch read row by row, b · P + p. */
  readonly index: Int32Array
  /** [N] token ids. */
  readonly ids: Int32Array
  /** [N] rows of the data. */
  readonly rows: Int32Array
  /** [N] positions in the row, padding before it not counted. */
  readonly positions: Int32Array
}

/** The tokens of a batch that take part. */
export function keptTokens({ tokens, firstRow }: TokenBatch, keep: Keeps): KeptTokens {
  const kept: { index: number; id: number; row: number; position: number }[] = []
  for (const [b, row] of tokens.rows.entries()) {
    let position = 0
    for (const [p, id] of row.entries()) {
      if (tokens.mask?.[b]?.[p] === 0) continue
      if (keep(id, position)) kept.push({ index: b * tokens.positions + p, id, row: firstRow + b, position })
      position++
    }
  }
  return {
    index: Int32Array.from(kept, ({ index }) => index),
    ids: Int32Array.from(kept, ({ id }) => id),
    rows: Int32Array.from(kept, ({ row }) => row),
    positions: Int32Array.from(kept, ({ position }) => position),
  }
}
