/** Text of tokens that come one by one. */
import type { Tokenizer } from '../tokens/tokenizer.js'

/** Tokens that one character may take: its UTF-8 bytes. */
const LONGEST = 4

/** Turns one row's tokens into text piece by piece, and holds back a character that is not complete. */
export class TextStreamer {
  readonly #tokenizer: Tokenizer | undefined
  readonly #pending: number[] = []

  constructor(tokenizer: Tokenizer | undefined) {
    this.#tokenizer = tokenizer
  }

  /** The text that this token completes; empty without a tokenizer. */
  push(id: number): string {
    if (!this.#tokenizer) return ''
    this.#pending.push(id)
    const text = this.#tokenizer.decode(this.#pending)
    if (text.endsWith('\uFFFD') && this.#pending.length < LONGEST) return ''
    this.#pending.length = 0
    return text
  }
}
