/**
 * Batches of activations out of chunks: in order, or mixed as SAELens's store does it (mixing_buffer). There the buffer
 * takes chunks until it is full, is shuffled, gives out half of its rows in batches and takes chunks again, so that
 * each batch has rows of many texts, old and new. N rows, D width.
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, FileError } from '../errors/errors.js'
import type { OptionNames } from '../errors/options.js'
import { random } from '../stats/random.js'
import type { ActivationBatch } from './activation-data.js'
import { RowBuffer, type Chunks, type Held } from './row-buffer.js'
import type { DataPosition } from './token-data.js'

/** How rows of activations are mixed. */
export interface ActivationShuffle {
  readonly seed: number
  /** Rows that the buffer takes before it is shuffled; memory is 4 · D bytes each. @default 8 batches */
  readonly bufferRows?: number
}

/** How activations come in batches. */
export interface ActivationBatchOptions {
  /** N: rows of a batch; the last may have fewer. @default 4096, as SAELens's train_batch_size_tokens */
  readonly rows?: number
  /** Rows in random order. @default in the order of the text */
  readonly shuffle?: ActivationShuffle
}

/** The names of `ActivationBatchOptions`, for `checkOptions`. */
export const batchOptionNames: OptionNames<ActivationBatchOptions> = { rows: true, shuffle: true }

/** Options with their defaults. */
export interface BatchPlan {
  readonly rows: number
  readonly mixing?: Required<ActivationShuffle>
}

/** Options with their defaults. @throws ArgumentError for numbers that cannot be taken */
export function batchPlan(verb: string, { rows = 4096, shuffle }: ActivationBatchOptions): BatchPlan {
  if (!Number.isInteger(rows) || rows < 1) {
    throw new ArgumentError(`${verb}: rows is ${String(rows)}. It must be a whole number from 1 up.`)
  }
  if (shuffle === undefined) return { rows }
  const { seed, bufferRows = 8 * rows } = shuffle
  random(seed)
  if (!Number.isInteger(bufferRows) || bufferRows < rows) {
    throw new ArgumentError(
      `${verb}: shuffle.bufferRows is ${String(bufferRows)}. It must be a whole number of at least a batch, ${rows}.`,
    )
  }
  return { rows, mixing: { seed, bufferRows } }
}

/** A place between two batches: the buffer as it was last filled, how many batches of it are out, what comes then. */
interface Place {
  /** Chunks to be read next; undefined at the start. */
  readonly source?: DataPosition
  readonly held: Held
  readonly given: number
  /** Times the buffer was shuffled. */
  readonly rounds: number
  /** Whether there are no further chunks. */
  readonly ended: boolean
}

const start: Place = { held: { chunks: [], rows: [] }, given: 0, rounds: 0, ended: false }

/** Where rows come from, and how many numbers each has. */
export interface RowSource {
  readonly chunks: Chunks
  readonly width: number
}

/** Batches from a place on. Holds `bufferRows` and one chunk, in order one batch and one chunk. */
export async function* mixedBatches(
  { chunks, width }: RowSource,
  plan: BatchPlan,
  from?: DataPosition,
): AsyncGenerator<ActivationBatch> {
  const { rows, mixing } = plan
  const place = from === undefined ? start : readPlace(from)
  const buffer = await RowBuffer.restored(width, place.held, chunks)
  const seeds = random(mixing?.seed ?? 0)
  for (let i = 0; i < place.rounds; i++) seeds.integer(2 ** 32)
  let { rounds, source } = place
  const fill = () => {
    rounds++
    const seed = seeds.integer(2 ** 32)
    if (mixing) buffer.shuffle(random(seed))
  }
  const serve = (ended: boolean, given = 0) => give(buffer, plan, { source, held: buffer.held(), given, rounds, ended })
  if (place.rounds > 0) yield* serve(place.ended, place.given)
  if (place.ended) return
  for await (const chunk of chunks(source)) {
    buffer.add(chunk)
    source = chunk.next
    if (buffer.size < (mixing?.bufferRows ?? rows)) continue
    fill()
    yield* serve(false)
  }
  if (rounds === 0 && buffer.size === 0) {
    throw new FileError('batches: there is not a single activation. Leave out fewer tokens, or give more data.')
  }
  fill()
  yield* serve(true)
}

/** Batches that a full buffer gives: half of it when it mixes, all at the end. */
function batchCount(size: number, { rows, mixing }: BatchPlan, ended: boolean): number {
  if (ended) return Math.ceil(size / rows)
  return mixing ? Math.max(1, Math.floor(size / (2 * rows))) : Math.floor(size / rows)
}

function* give(buffer: RowBuffer, plan: BatchPlan, place: Place): Generator<ActivationBatch> {
  const { rows } = plan
  const count = batchCount(buffer.size, plan, place.ended)
  for (let given = place.given; given < count; given++) {
    const length = Math.min(rows, buffer.size - given * rows)
    const batch = tf.tensor2d(buffer.slice(given * rows, length), [length, buffer.width])
    yield { rows: batch, next: { ...place, given: given + 1 } }
  }
  buffer.drop(Math.min(buffer.size, count * rows))
}

/** @throws ArgumentError for what is no such place */
function readPlace(from: DataPosition): Place {
  const { held, given, rounds, ended } = from as unknown as Partial<Place>
  const isHeld = Array.isArray(held?.chunks) && Array.isArray(held.rows) && held.rows.every(Number.isInteger)
  if (isHeld && Number.isInteger(given) && Number.isInteger(rounds) && typeof ended === 'boolean') {
    return from as unknown as Place
  }
  throw new ArgumentError("batches: this is no place in these activations. Give the 'next' of one of their batches.")
}
