/** Whole rows of the examples kept, for what has to be computed of them once the best are known. */
import type { NumberedRows } from './take-batch.js'
import type { TopExamples } from './top-examples.js'

/** The real tokens of a row, and the position of the first. */
export interface KeptRow {
  readonly start: number
  readonly ids: readonly number[]
}

export class KeptRows {
  readonly #rows = new Map<number, KeptRow>()
  #lastSize = 0

  /** Keeps rows of a batch, given by their places in it; now and then forgets those of which no example is left. */
  add({ tokens, firstRow }: NumberedRows, places: Iterable<number>, top: TopExamples): void {
    for (const place of places) {
      const [ids = [], mask] = [tokens.rows[place], tokens.mask?.[place]]
      const real = mask ? ids.filter((_, p) => mask[p] === 1) : [...ids]
      this.#rows.set(firstRow + place, { start: mask ? mask.indexOf(1) : 0, ids: real })
    }
    if (this.#rows.size <= 2 * this.#lastSize + 64) return
    const used = top.usedRows()
    for (const row of this.#rows.keys()) if (!used.has(row)) this.#rows.delete(row)
    this.#lastSize = this.#rows.size
  }

  get(row: number): KeptRow {
    return this.#rows.get(row) ?? { start: 0, ids: [] }
  }

  restore(entries: readonly (readonly [row: number, kept: KeptRow])[]): void {
    for (const [row, kept] of entries) this.#rows.set(row, kept)
  }

  toJSON(): (readonly [row: number, kept: KeptRow])[] {
    return [...this.#rows]
  }
}
