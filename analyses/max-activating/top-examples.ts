/**
 * The k best examples of each latent seen so far, in memory that does not grow with the data: examples of latent f fill
 * slots f · k … of flat arrays, the best first.
 */
import type { JsonObject } from '../../lib/report/result/json.js'
import { jsonNumbers } from '../../lib/report/result/json.js'

/** Where an example stands in the data, and how large it is. */
export interface Found {
  readonly value: number
  readonly row: number
  readonly position: number
}

/** An example with the text around it. */
export interface FoundWindow extends Found {
  readonly tokens: Int32Array
  readonly activations: Float32Array
}

/** The flat arrays as lists. */
export type SavedExamples = Readonly<
  Record<'filled' | 'values' | 'rows' | 'positions' | 'tokens' | 'activations', readonly number[]>
>

/** How much is kept. */
export interface TopExamplesSize {
  /** Latents. */
  readonly count: number
  /** Examples of each. */
  readonly k: number
  /** Tokens of a window around an example. */
  readonly window: number
  /** Examples must be larger than this. */
  readonly floor: number
}

export class TopExamples implements TopExamplesSize {
  readonly count: number
  readonly k: number
  readonly window: number
  readonly floor: number
  /** How many examples each latent has. */
  readonly filled: Int32Array
  readonly values: Float32Array
  readonly rows: Float64Array
  readonly positions: Int32Array
  /** [latents · k, window]: token ids, and the latent's activations on them. */
  readonly tokens: Int32Array
  readonly activations: Float32Array

  constructor({ count, k, window, floor }: TopExamplesSize) {
    ;[this.count, this.k, this.window, this.floor] = [count, k, window, floor]
    this.filled = new Int32Array(count)
    this.values = new Float32Array(count * k)
    this.rows = new Float64Array(count * k)
    this.positions = new Int32Array(count * k)
    this.tokens = new Int32Array(count * k * window)
    this.activations = new Float32Array(count * k * window)
  }

  /** For each latent, what an example must be larger than to be kept. */
  thresholds(): Float32Array {
    return Float32Array.from(this.filled, (n, f) =>
      n < this.k ? this.floor : (this.values[f * this.k + n - 1] ?? NaN),
    )
  }

  /**
   * Takes an example in where it belongs, the last one out when there were k. Its slot, to write its window to, or −1
   * when k others are better. The order is by value, then row, then position, so that parts of the data may come in any
   * order.
   */
  insert(latent: number, found: Found): number {
    const [start, n] = [latent * this.k, this.filled[latent] ?? 0]
    let slot = start + n
    while (slot > start && comesAfter(this.at(slot - 1), found)) slot--
    if (slot === start + this.k) return -1
    const filled = Math.min(n + 1, this.k)
    this.filled[latent] = filled
    const end = start + filled
    for (const [list, width] of this.#lists()) list.copyWithin((slot + 1) * width, slot * width, (end - 1) * width)
    this.values[slot] = found.value
    this.rows[slot] = found.row
    this.positions[slot] = found.position
    return slot
  }

  /** Writes the text around an example. */
  setWindow(slot: number, tokens: readonly number[], activations: Float32Array): void {
    this.tokens.set(tokens, slot * this.window)
    this.activations.set(activations, slot * this.window)
  }

  at(slot: number): Found {
    const { values, rows, positions } = this
    return { value: values[slot] ?? NaN, row: rows[slot] ?? NaN, position: positions[slot] ?? NaN }
  }

  /** The examples of a latent, the best first. */
  of(latent: number): FoundWindow[] {
    return Array.from({ length: this.filled[latent] ?? 0 }, (_, i) => {
      const slot = latent * this.k + i
      const [begin, end] = [slot * this.window, (slot + 1) * this.window]
      return {
        ...this.at(slot),
        tokens: this.tokens.slice(begin, end),
        activations: this.activations.slice(begin, end),
      }
    })
  }

  /** Numbers of the rows that examples are from. */
  usedRows(): Set<number> {
    return new Set(Array.from(this.filled.keys()).flatMap((latent) => this.of(latent).map(({ row }) => row)))
  }

  /** Takes the place of what is there, as `toJSON` wrote it. */
  restore(saved: SavedExamples): void {
    this.filled.set(saved.filled)
    this.values.set(saved.values)
    this.rows.set(saved.rows)
    this.positions.set(saved.positions)
    this.tokens.set(saved.tokens)
    this.activations.set(saved.activations)
  }

  toJSON(): JsonObject {
    const { filled, values, rows, positions, tokens, activations } = this
    const list = (numbers: ArrayLike<number>) => Array.from(numbers)
    return {
      filled: list(filled),
      values: jsonNumbers(values),
      rows: list(rows),
      positions: list(positions),
      tokens: list(tokens),
      activations: jsonNumbers(activations),
    }
  }

  /** Every list, and how many numbers an example has in it. */
  #lists(): [list: Float32Array | Float64Array | Int32Array, width: number][] {
    const { values, rows, positions, tokens, activations, window } = this
    const ones = [values, rows, positions].map((list): [typeof list, number] => [list, 1])
    return [...ones, [tokens, window], [activations, window]]
  }
}

/** Whether one example ranks after another. */
function comesAfter(one: Found, other: Found): boolean {
  if (one.value !== other.value) return one.value < other.value
  return one.row !== other.row ? one.row > other.row : one.position > other.position
}
