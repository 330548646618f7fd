/** Rows of activations in memory, each with the chunk it is from, so that they can be fetched again. D width. */
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

/** Where a row of the buffer is from. */
interface Origin {
  readonly chunk: DataPosition
  /** Its row in the chunk. */
  readonly row: number
}

export class RowBuffer {
  /** D */
  readonly width: number
  #values = new Float32Array(0)
  #origins: Origin[] = []

  constructor(width: number) {
    this.width = width
  }

  /** Fetches again what a buffer held. */
  static async restored(width: number, held: Held, fetch: Chunks): Promise<RowBuffer> {
    const buffer = new RowBuffer(width)
    const origins = originsOf(held)
    buffer.#origins = origins
    buffer.#values = new Float32Array(origins.length * width)
    for (const [chunk, slots] of slotsByChunk(origins)) {
      const { values } = await firstOf(fetch(chunk))
      for (const [slot, row] of slots) {
        buffer.#values.set(values.subarray(row * width, (row + 1) * width), slot * width)
      }
    }
    return buffer
  }

  /** Rows held. */
  get size(): number {
    return this.#origins.length
  }

  add({ values, at }: Chunk): void {
    const rows = values.length / this.width
    this.#reserve(this.size + rows)
    this.#values.set(values, this.size * this.width)
    for (let row = 0; row < rows; row++) this.#origins.push({ chunk: at, row })
  }

  /** Puts the rows in random order (Fisher and Yates), in place. */
  shuffle(generator: Random): void {
    for (let i = this.size - 1; i > 0; i--) this.#swap(i, generator.integer(i + 1))
  }

  /** A copy [count,D] of rows from `begin` on. */
  slice(begin: number, count: number): Float32Array {
    return this.#values.slice(begin * this.width, (begin + count) * this.width)
  }

  /** Lets go of the first rows. */
  drop(count: number): void {
    this.#values.copyWithin(0, count * this.width, this.size * this.width)
    this.#origins.splice(0, count)
  }

  /** The chunks of which rows are left, numbered in the order of the first of these. */
  held(): Held {
    const numbers = new Map<DataPosition, number>()
    const rows = this.#origins.flatMap(({ chunk, row }) => {
      const number = numbers.get(chunk) ?? numbers.size
      numbers.set(chunk, number)
      return [number, row]
    })
    return { chunks: [...numbers.keys()], rows }
  }

  #reserve(rows: number): void {
    if (rows * this.width <= this.#values.length) return
    const larger = new Float32Array(rows * this.width)
    larger.set(this.#values.subarray(0, this.size * this.width))
    this.#values = larger
  }

  #swap(i: number, j: number): void {
    const { width } = this
    const row = this.#values.slice(i * width, (i + 1) * width)
    this.#values.copyWithin(i * width, j * width, (j + 1) * width)
    this.#values.set(row, j * width)
    const [own, other] = [this.#origins[i], this.#origins[j]]
    if (own && other) [this.#origins[i], this.#origins[j]] = [other, own]
  }
}

function originsOf({ chunks, rows }: Held): Origin[] {
  return Array.from({ length: rows.length / 2 }, (_, slot) => {
    const [number = 0, row = 0] = rows.slice(2 * slot, 2 * slot + 2)
    return { chunk: chunks[number] ?? {}, row }
  })
}

/** For each chunk its rows in the buffer: the place there, and the row in the chunk. */
function slotsByChunk(origins: readonly Origin[]): Map<DataPosition, [slot: number, row: number][]> {
  const slots = new Map<DataPosition, [slot: number, row: number][]>()
  for (const [slot, { chunk, row }] of origins.entries()) {
    const list = slots.get(chunk) ?? []
    list.push([slot, row])
    slots.set(chunk, list)
  }
  return slots
}

async function firstOf(chunks: AsyncIterable<Chunk>): Promise<Chunk> {
  for await (const chunk of chunks) return chunk
  throw new FileError('batches: the data ends before a place that it gave. It has changed: start over.')
}
