/** The best examples of a batch, taken in. N places (rows · positions, row by row) · F latents */
import * as tf from '@tensorflow/tfjs'
import type { Keeps } from '../../lib/data/excluded-tokens.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { KLargestOptions } from '../../lib/stats/k-largest.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import type { LatentSource } from '../latent-source.js'
import type { TopExamples } from './top-examples.js'
import { topPlaces } from './top-places.js'

export interface Selection extends Required<KLargestOptions> {
  /** Which tokens may be examples. */
  readonly keep: Keeps
}

/** Rows of a batch, which count from `firstRow`. */
export interface NumberedRows {
  readonly tokens: Tokens
  readonly firstRow: number
}

/** What examples are taken from, and kept in. */
export interface Search {
  readonly source: LatentSource
  readonly selection: Selection
  readonly top: TopExamples
}

/** An example that was just taken in. */
interface Entry {
  /** Where its window is to be written. */
  readonly slot: number
  /** The latent's place in the list. */
  readonly latent: number
  /** Row in the batch, position in the row, and place among the N. */
  readonly row: number
  readonly position: number
  readonly index: number
}

/**
 * Takes the best examples of a batch in. Returns the rows of the batch they are from.
 * @throws ArgumentError when the buffer leaves nothing of the rows
 */
export async function takeBatch({ source, selection, top }: Search, batch: NumberedRows): Promise<Set<number>> {
  const { tokens, firstRow } = batch
  const { positions } = tokens
  checkBuffer(selection.buffer, positions)
  const allowed = allowance(tokens, selection)
  const from = new Set<number>()
  await source.each(tokens, async (acts, start) => {
    const [rows, , latents] = acts.shape
    const all = acts.reshape<tf.Tensor2D>([-1, latents])
    const open = opened(all, allowed.subarray(start * positions, (start + rows) * positions))
    try {
      const places = await topPlaces(open, top.thresholds(), { ...selection, width: positions })
      const entries = [...places].flatMap(([latent, found]) =>
        found.flatMap(({ index, value }): Entry[] => {
          const [row, position] = [start + Math.floor(index / positions), index % positions]
          const slot = top.insert(latent, { value, row: firstRow + row, position })
          if (slot < 0) return []
          from.add(row)
          return [{ slot, latent, row, position, index }]
        }),
      )
      await writeWindows(entries, { acts: all, tokens, buffer: selection.buffer }, top)
    } finally {
      tf.dispose([all, open])
    }
  })
  return from
}

function checkBuffer(buffer: number, positions: number): void {
  if (positions > 2 * buffer) return
  throw new ArgumentError(
    `maxActivating: a buffer of ${buffer} leaves nothing of rows of ${positions} tokens. It must be below ` +
      `${positions / 2}.`,
  )
}

/** 0 where a token may be an example; −Infinity near the ends of its row, at padding and where it is left out. [B·P] */
function allowance(tokens: Tokens, { buffer, keep }: Selection): Float32Array {
  return Float32Array.from(
    tokens.rows.flatMap((row, b) => {
      const mask = tokens.mask?.[b]
      const [first, last] = mask ? [mask.indexOf(1), mask.lastIndexOf(1)] : [0, row.length - 1]
      const may = (id: number, p: number) => p - buffer >= first && p + buffer <= last && keep(id, p - first)
      return row.map((id, p) => (may(id, p) ? 0 : -Infinity))
    }),
  )
}

/** The activations [N,F], −Infinity where the allowance [N] is. */
function opened(acts: tf.Tensor2D, allowed: Float32Array): tf.Tensor2D {
  return tf.tidy(() => acts.add<tf.Tensor2D>(tf.tensor2d(allowed, [allowed.length, 1])))
}

/** What windows are cut from. */
interface Windowed {
  /** [N,F] */
  readonly acts: tf.Tensor2D
  readonly tokens: Tokens
  readonly buffer: number
}

/** Tokens and activations around each example. */
async function writeWindows(
  entries: readonly Entry[],
  { acts, tokens, buffer }: Windowed,
  top: TopExamples,
): Promise<void> {
  if (entries.length === 0) return
  const { window } = top
  const latents = acts.shape[1]
  const places = new Int32Array(entries.length * window)
  for (const [e, { latent, index }] of entries.entries()) {
    for (let i = 0; i < window; i++) places[e * window + i] = (index - buffer + i) * latents + latent
  }
  const gathered = tf.tidy(() => tf.gather(acts.flatten(), tf.tensor1d(places, 'int32')))
  try {
    const activations = await gathered.data<'float32'>()
    for (const [e, { slot, row, position }] of entries.entries()) {
      const ids = tokens.rows[row]?.slice(position - buffer, position + buffer + 1) ?? []
      top.setWindow(slot, ids, activations.subarray(e * window, (e + 1) * window))
    }
  } finally {
    gathered.dispose()
  }
}
