/** Whole rows of the examples kept, for what has to be computed of them once the best are known. */
import type { Tokens } from '../../lib/tokens/tokens.js'
import type { TopExamples } from './top-examples.js'

/** The real tokens of a row, and the position of the first. */
export interface KeptRow {
  readonly start: number
  readonly ids: readonly number[]
}

export class KeptRows {
  readonly #rows = new Map<number, KeptRow>()
  #lastSize = 0

  /** Keeps rows of a batch, given by their places in it, and now and then forgets those that no example is from any more. */
  add(tokens: Tokens, firstRow: number, rows: Iterable<number>, top: TopExamples): void {
    for (const row of rows) {
      const mask = tokens.mask?.[row]
      const start = mask ? mask.indexOf(1) : 0
      const ids = mask ? tokens.rows[row]!.filter((_, p) => mask[p] === 1) : [...tokens.rows[row]!]
      this.#rows.set(firstRow + row, { start, ids })
    }
    if (this.#rows.size <= 2 * this.#lastSize + 64) return
    const used = top.usedRows()
    for (const row of this.#rows.keys()) if (!used.has(row)) this.#rows.delete(row)
    this.#lastSize = this.#rows.size
  }

  get(row: number): KeptRow {
    return this.#rows.get(row)!
  }

  restore(entries: readonly (readonly [row: number, kept: KeptRow])[]): void {
    for (const [row, kept] of entries) this.#rows.set(row, kept)
  }

  toJSON(): (readonly [row: number, kept: KeptRow])[] {
    return [...this.#rows]
  }
}
