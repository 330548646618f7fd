/**
 * Where latents are largest: a few candidates from the device, the choice among them here. N places (rows · positions,
 * row by row) · F latents
 */
import * as tf from '@tensorflow/tfjs'
import { takeApart, type KLargestOptions } from '../../lib/stats/k-largest.js'

/** A place, counted row by row, and the activation there. */
export interface Place {
  readonly index: number
  readonly value: number
}

/**
 * For each latent what `kLargestIndices` gives of its column above the latent's threshold, the largest first: column
 * of acts → places. Latents with none are left out. The same numbers as sorting whole columns, for little of the work:
 * most latents' largest value is below their threshold, and of the others only the first candidates are sorted, more
 * of them where the first few stand too close together.
 * @param acts [N,F], −Infinity where no place may be taken
 * @param thresholds one a latent: places must be larger
 * @param width positions in a row
 */
export async function topPlaces(
  acts: tf.Tensor2D,
  thresholds: ArrayLike<number>,
  width: number,
  options: Required<KLargestOptions>,
): Promise<Map<number, Place[]>> {
  const most = await taken(acts.max(0))
  const rising = Array.from(most.keys()).filter((f) => most[f]! > thresholds[f]!)
  const found = new Map<number, Place[]>()
  if (rising.length === 0) return found
  const byLatent = tf.tidy(() => columns(acts, rising))
  try {
    let open = rising.map((f, row) => ({ f, row }))
    for (let count = firstCount(options); open.length > 0; count *= 4) {
      const size = Math.min(count, acts.shape[0])
      const { values, indices } = await largest(byLatent, open.map(({ row }) => row), size) // prettier-ignore
      open = open.filter(({ f }, i) => {
        const own = values.subarray(i * size, (i + 1) * size)
        const order = indices.subarray(i * size, i * size + own.filter((value) => value > thresholds[f]!).length)
        const places = takeApart(order, width, options)
        if (places.length < options.k && order.length === size && size < Math.min(enough(options), acts.shape[0]))
          return true
        found.set(f, places.map((index) => ({ index, value: own[order.indexOf(index)]! }))) // prettier-ignore
        return false
      })
    }
  } finally {
    byLatent.dispose()
  }
  return found
}

/** Each taken place keeps at most 2 · buffer others out, so that this many candidates always hold k places. */
function enough({ k, buffer, noOverlap }: Required<KLargestOptions>): number {
  return noOverlap ? (k - 1) * (2 * buffer + 1) + 1 : k
}

function firstCount(options: Required<KLargestOptions>): number {
  return Math.min(enough(options), 4 * options.k)
}

/** Columns as rows: [N,F] → [latents,N]. */
function columns(acts: tf.Tensor2D, latents: readonly number[]): tf.Tensor2D {
  const all = latents.length === acts.shape[1]
  const chosen = all ? acts : tf.gather(acts, tf.tensor1d([...latents], 'int32'), 1)
  return chosen.transpose<tf.Tensor2D>()
}

/** The `count` largest entries of rows of x in order, the earlier of equals first, and where they stand; row by row. */
async function largest(
  x: tf.Tensor2D,
  rows: readonly number[],
  count: number,
): Promise<{ values: tf.TypedArray; indices: tf.TypedArray }> {
  const [values, indices] = tf.tidy(() => {
    const chosen = rows.length === x.shape[0] ? x : tf.gather(x, tf.tensor1d([...rows], 'int32'))
    const top = tf.topk(chosen, count)
    return [top.values, top.indices]
  })
  return { values: await taken(values!), indices: await taken(indices!) }
}

/** The numbers of a tensor, which is freed. */
async function taken(x: tf.Tensor): Promise<tf.TypedArray> {
  try {
    return await x.data()
  } finally {
    x.dispose()
  }
}
