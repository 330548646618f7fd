/** The best examples of a batch, taken in. N places (rows · positions, row by row) · F latents */
import * as tf from '@tensorflow/tfjs'
import type { Keeps } from '../../lib/data/excluded.js'
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

/** An example that was just taken in. */
interface Entry {
  /** Where its window is to be written. */
  readonly place: number
  /** Latent, and place among the N. */
  readonly latent: number
  readonly index: number
}

/**
 * Takes the best examples of a batch in, whose rows count from `firstRow`. Returns the rows of the batch they are from.
 * @throws ArgumentError when the buffer leaves nothing of the rows
 */
export async function takeBatch(
  source: LatentSource,
  tokens: Tokens,
  firstRow: number,
  selection: Selection,
  top: TopExamples,
): Promise<Set<number>> {
  const { positions } = tokens
  if (positions <= 2 * selection.buffer) {
    throw new ArgumentError(
      `maxActivating: a buffer of ${selection.buffer} leaves nothing of rows of ${positions} tokens. It must be below ${positions / 2}.`,
    )
  }
  const allowed = allowance(tokens, selection)
  const from = new Set<number>()
  await source.each(tokens, async (acts, start) => {
    const [rows, , latents] = acts.shape
    const all = acts.reshape<tf.Tensor2D>([-1, latents])
    const offset = start * positions
    const open = tf.tidy(() => all.add<tf.Tensor2D>(tf.tensor2d(allowed.subarray(offset, offset + rows * positions), [rows * positions, 1]))) // prettier-ignore
    try {
      const places = await topPlaces(open, top.thresholds(), positions, selection)
      const entries = [...places].flatMap(([latent, found]) =>
        found.flatMap(({ index, value }): Entry[] => {
          const [row, position] = [start + Math.floor(index / positions), index % positions]
          const place = top.insert(latent, { value, row: firstRow + row, position })
          if (place < 0) return []
          from.add(row)
          return [{ place, latent, index }]
        }),
      )
      const middle = ({ index }: Entry) => ({ row: tokens.rows[start + Math.floor(index / positions)]!, position: index % positions }) // prettier-ignore
      await writeWindows(all, entries, middle, selection.buffer, top)
    } finally {
      tf.dispose([all, open])
    }
  })
  return from
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

/** Tokens and activations around each example. @param acts [N,F] */
async function writeWindows(
  acts: tf.Tensor2D,
  entries: readonly Entry[],
  middle: (entry: Entry) => { row: readonly number[]; position: number },
  buffer: number,
  top: TopExamples,
): Promise<void> {
  if (entries.length === 0) return
  const { window } = top
  const latents = acts.shape[1]
  const indices = new Int32Array(entries.length * window)
  entries.forEach(({ latent, index }, e) => {
    for (let i = 0; i < window; i++) indices[e * window + i] = (index - buffer + i) * latents + latent
  })
  const gathered = tf.tidy(() => tf.gather(acts.flatten(), tf.tensor1d(indices, 'int32')))
  try {
    const activations = (await gathered.data()) as Float32Array
    entries.forEach((entry, e) => {
      const { row, position } = middle(entry)
      top.tokens.set(row.slice(position - buffer, position + buffer + 1), entry.place * window)
      top.activations.set(activations.subarray(e * window, (e + 1) * window), entry.place * window)
    })
  } finally {
    gathered.dispose()
  }
}
