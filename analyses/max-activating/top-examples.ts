/**
 * The k best examples of each latent seen so far, in memory that does not grow with the data: examples of latent f fill
 * places f · k … of flat arrays, the best first.
 */
import type { JsonObject } from '../../lib/report/result/json.js'
import { jsonNumbers } from '../../lib/report/result/json.js'

/** Where an example stands in the data, and how large it is. */
export interface Found {
  readonly value: number
  readonly row: number
  readonly position: number
}

/** The flat arrays as lists. */
export type SavedExamples = Readonly<
  Record<'filled' | 'values' | 'rows' | 'positions' | 'tokens' | 'activations', readonly number[]>
>

export class TopExamples {
  readonly count: number
  readonly k: number
  /** Tokens of a window around an example. */
  readonly window: number
  /** Examples must be larger than this. */
  readonly floor: number
  readonly filled: Int32Array
  readonly values: Float32Array
  readonly rows: Float64Array
  readonly positions: Int32Array
  /** [latents · k, window]: token ids, and the latent's activations on them. */
  readonly tokens: Int32Array
  readonly activations: Float32Array

  constructor(count: number, k: number, window: number, floor: number) {
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
    return Float32Array.from(this.filled, (n, f) => (n < this.k ? this.floor : this.values[f * this.k + n - 1]!))
  }

  /**
   * Takes an example in where it belongs, the last one out when there were k. Its place, to write its window to, or −1
   * when k others are better. The order is by value, then row, then position, so that parts of the data may come in any
   * order.
   */
  insert(latent: number, { value, row, position }: Found): number {
    const [start, n] = [latent * this.k, this.filled[latent]!]
    let place = start + n
    while (place > start && this.#isBehind(place - 1, value, row, position)) place--
    if (place === start + this.k) return -1
    this.filled[latent] = Math.min(n + 1, this.k)
    const end = start + this.filled[latent]
    for (const [list, width] of this.#lists()) list.copyWithin((place + 1) * width, place * width, (end - 1) * width)
    this.values[place] = value
    this.rows[place] = row
    this.positions[place] = position
    return place
  }

  at(place: number): Found {
    return { value: this.values[place]!, row: this.rows[place]!, position: this.positions[place]! }
  }

  /** The examples of a latent, the best first. */
  of(latent: number): (Found & { readonly tokens: Int32Array; readonly activations: Float32Array })[] {
    return Array.from({ length: this.filled[latent]! }, (_, i) => {
      const place = latent * this.k + i
      const [begin, end] = [place * this.window, (place + 1) * this.window]
      return {
        ...this.at(place),
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

  #isBehind(place: number, value: number, row: number, position: number): boolean {
    const other = this.at(place)
    if (other.value !== value) return other.value < value
    return other.row !== row ? other.row > row : other.position > position
  }

  /** Every list beside the number of numbers an example has in it. */
  #lists(): [list: Float32Array | Float64Array | Int32Array, width: number][] {
    const { values, rows, positions, tokens, activations, window } = this
    return [[values, 1], [rows, 1], [positions, 1], [tokens, window], [activations, window]] // prettier-ignore
  }
}
