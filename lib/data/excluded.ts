/** Which tokens of a batch take part: padding never does, special tokens on request. */
import { ArgumentError } from '../errors/errors.js'
import type { JsonObject } from '../report/result/json.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import type { TokenBatch } from './token-data.js'

/**
 * Tokens to leave out: `bos`, the BOS token that begins a row; `special`, every BOS, EOS and padding id wherever it
 * stands (SAELens's exclude_special_tokens); or the ids in a list.
 */
export type Exclude = 'none' | 'bos' | 'special' | readonly number[]

/** Ids of a tokenizer's special tokens, as far as it has them. */
export interface SpecialIds extends JsonObject {
  readonly bos?: number
  readonly eos?: number
  readonly pad?: number
}

export function specialIds(tokenizer: Tokenizer | undefined): SpecialIds {
  const ids = { bos: tokenizer?.bosId, eos: tokenizer?.eosId, pad: tokenizer?.padId }
  return Object.fromEntries(Object.entries(ids).filter(([, id]) => id !== undefined))
}

/** Whether a token of this id, so many real tokens behind the beginning of its row, takes part. */
export type Keeps = (id: number, position: number) => boolean

/** @throws ArgumentError for what is no such choice */
export function keeps(verb: string, exclude: Exclude, { bos, eos, pad }: SpecialIds): Keeps {
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
export interface Sites {
  /** [N] place in the batch read row by row, b · P + p. */
  readonly index: Int32Array
  /** [N] token ids. */
  readonly ids: Int32Array
  /** [N] rows of the data. */
  readonly rows: Int32Array
  /** [N] positions in the row, padding in front not counted. */
  readonly positions: Int32Array
}

export function sitesOf({ tokens, firstRow }: TokenBatch, keep: Keeps): Sites {
  const sites: { index: number; id: number; row: number; position: number }[] = []
  for (const [b, row] of tokens.rows.entries()) {
    let position = 0
    for (const [p, id] of row.entries()) {
      if (tokens.mask?.[b]![p] === 0) continue
      if (keep(id, position)) sites.push({ index: b * tokens.positions + p, id, row: firstRow + b, position })
      position++
    }
  }
  return {
    index: Int32Array.from(sites, (site) => site.index),
    ids: Int32Array.from(sites, (site) => site.id),
    rows: Int32Array.from(sites, (site) => site.row),
    positions: Int32Array.from(sites, (site) => site.position),
  }
}
