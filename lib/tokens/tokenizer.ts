/** What a tokenizer must do for the library, whatever file or package it comes from. */
import { MismatchError, TokenError } from '../errors/errors.js'

export interface Tokenizer {
  /** Ids run from 0 to vocabSize - 1. */
  readonly vocabSize: number
  /** Beginning of sequence; the end-of-sequence id where the tokenizer names none, as in TransformerLens. */
  readonly bosId: number | undefined
  readonly eosId: number | undefined
  /** Padding; the end-of-sequence id where the tokenizer names none, as in TransformerLens. */
  readonly padId: number | undefined
  /** Its own post-processor puts BOS in front (Gemma). `encode` never does: the caller prepends. */
  readonly prependsBos: boolean
  /** Ids of a text. Special tokens written in the text are recognised wherever they stand; nothing is added. */
  encode(text: string): number[]
  /**
   * Text of ids, special tokens included, spaces as they are; bytes that are not UTF-8 become U+FFFD. Ids above the
   * vocabulary (a model's padded rows) have no text.
   * @throws TokenError when an id is not a whole number from 0.
   */
  decode(ids: readonly number[]): string
  /** `decode` of one token alone: what TransformerLens' `to_str_tokens` shows. */
  tokenString(id: number): string
  /** The spelling in the vocabulary (`Ġthe`); empty for an id that it does not hold. */
  vocabularyEntry(id: number): string
}

/** @throws TokenError when an id is not a whole number from 0. */
export function checkIsId(verb: string, id: number): void {
  if (Number.isInteger(id) && id >= 0) return
  throw new TokenError(`${verb}: token id ${String(id)} is not one. Token ids are whole numbers from 0.`)
}

/**
 * Refuses a tokenizer that writes ids which the model cannot embed. One with fewer ids than the model has rows is
 * normal: many models pad their embedding.
 * @param dVocab rows of the model's embedding
 * @throws MismatchError when the tokenizer has more ids than the model.
 */
export function checkTokenizer(tokenizer: Tokenizer, dVocab: number, name: string): void {
  if (tokenizer.vocabSize <= dVocab) return
  throw new MismatchError(
    `checkTokenizer: the tokenizer has ids up to ${tokenizer.vocabSize - 1}, but the vocabulary of ${name} ` +
      `ends at ${dVocab - 1}. Use the tokenizer that the model was trained with.`,
  )
}
