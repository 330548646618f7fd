/** Rows of activations in memory, each with the chunk it is from, so that the same rows can be fetched again. D width. */
import { FileError } from '../errors/errors.js'
import type { JsonObject } from '../report/result/json.js'
import type { Random } from '../stats/random.js'
import type { DataPosition } from './token-data.js'

/** Rows that are read or computed together. */
export interface Chunk {
  /** [n,D] */
  readonly values: Float32Array
  readonly at: DataPosition
  readonly next: DataPosition
}

/** Chunks from a place on, the same each time. */
export type Chunks = (from?: DataPosition) => AsyncIterable<Chunk>

/** What a buffer holds, as plain data: chunks, and for each row the number of its chunk here and its row in that. */
export interface Held extends JsonObject {
  readonly chunks: readonly DataPosition[]
  readonly rows: readonly number[]
}

export class RowBuffer {
  /** Rows held. */
  size = 0
  readonly #width: number
  #values = new Float32Array(0)
  #chunks: DataPosition[] = []
  /** Two numbers a row: chunk, row in it. */
  #origins: number[] = []

  constructor(width: number) {
    this.#width = width
  }

  /** Fetches again what a buffer held. */
  static async restored(width: number, { chunks, rows }: Held, fetch: Chunks): Promise<RowBuffer> {
    const buffer = new RowBuffer(width)
    buffer.#values = new Float32Array((rows.length / 2) * width)
    buffer.#chunks = [...chunks]
    buffer.#origins = [...rows]
    buffer.size = rows.length / 2
    const slots = slotsByChunk(rows)
    for (const [number, at] of chunks.entries()) {
      const { values } = await firstOf(fetch(at))
      for (const slot of slots.get(number) ?? []) {
        const row = rows[2 * slot + 1]!
        buffer.#values.set(values.subarray(row * width, (row + 1) * width), slot * width)
      }
    }
    return buffer
  }

  add({ values, at }: Chunk): void {
    const rows = values.length / this.#width
    this.#reserve(this.size + rows)
    this.#values.set(values, this.size * this.#width)
    for (let row = 0; row < rows; row++) this.#origins.push(this.#chunks.length, row)
    this.#chunks.push(at)
    this.size += rows
  }

  /** Puts the rows in random order (Fisher and Yates), in place. */
  shuffle(generator: Random): void {
    for (let i = this.size - 1; i > 0; i--) this.#swap(i, generator.integer(i + 1))
  }

  /** A copy [count,D] of rows from `begin` on. */
  slice(begin: number, count: number): Float32Array {
    return this.#values.slice(begin * this.#width, (begin + count) * this.#width)
  }

  /** Lets go of the first rows. */
  drop(count: number): void {
    this.#values.copyWithin(0, count * this.#width, this.size * this.#width)
    this.#origins.splice(0, 2 * count)
    this.size -= count
  }

  held(): Held {
    this.#forgetChunks()
    return { chunks: [...this.#chunks], rows: [...this.#origins] }
  }

  #reserve(rows: number): void {
    if (rows * this.#width <= this.#values.length) return
    const larger = new Float32Array(rows * this.#width)
    larger.set(this.#values.subarray(0, this.size * this.#width))
    this.#values = larger
  }

  #swap(i: number, j: number): void {
    const width = this.#width
    const row = this.#values.slice(i * width, (i + 1) * width)
    this.#values.copyWithin(i * width, j * width, (j + 1) * width)
    this.#values.set(row, j * width)
    for (const part of [0, 1]) {
      const [a, b] = [2 * i + part, 2 * j + part]
      ;[this.#origins[a], this.#origins[b]] = [this.#origins[b]!, this.#origins[a]!]
    }
  }

  /** Numbers anew the chunks of which rows are left. */
  #forgetChunks(): void {
    const numbers = new Map<number, number>()
    for (let i = 0; i < this.#origins.length; i += 2) {
      const chunk = this.#origins[i]!
      if (!numbers.has(chunk)) numbers.set(chunk, numbers.size)
      this.#origins[i] = numbers.get(chunk)!
    }
    this.#chunks = [...numbers.keys()].map((chunk) => this.#chunks[chunk]!)
  }
}

function slotsByChunk(rows: readonly number[]): Map<number, number[]> {
  const slots = new Map<number, number[]>()
  for (let slot = 0; slot < rows.length / 2; slot++) {
    const chunk = rows[2 * slot]!
    const list = slots.get(chunk) ?? []
    list.push(slot)
    slots.set(chunk, list)
  }
  return slots
}

async function firstOf(chunks: AsyncIterable<Chunk>): Promise<Chunk> {
  for await (const chunk of chunks) return chunk
  throw new FileError('batches: the data ends before a place that it gave. It has changed: begin anew.')
}
