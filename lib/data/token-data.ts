/** Tokens to run a model on, batch by batch: what every long job reads, wherever text is from. B rows, P positions. */
import type { JsonObject } from '../report/result/json.js'
import type { Tokens } from '../tokens/tokens.js'

/** Where reading continues: plain data, made and understood by the data it comes from. */
export type DataPosition = JsonObject

/** Some rows of tokens, and where the next begin. */
export interface TokenBatch {
  /** [B,P] */
  readonly tokens: Tokens
  /** The number of the first row, counted from the start of the data: rows keep their numbers when a job is resumed. */
  readonly firstRow: number
  /** Where the next batch begins. */
  readonly next: DataPosition
}

/** The same batches in the same order each time they are read, so that a job can stop at any of them and continue. */
export interface TokenData {
  /** Where the tokens are from and how they were made, for provenance. */
  readonly about: JsonObject
  /** Batches from a place on, which an earlier batch's `next` gives; from the start without one. */
  batches(from?: DataPosition): AsyncIterable<TokenBatch>
}
