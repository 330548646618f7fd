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

export interface TopPlacesOptions extends Required<KLargestOptions> {
  /** Positions in a row. */
  readonly width: number
}

/**
 * For each latent what `kLargestIndices` gives of its column above the latent's threshold, the largest first: column
 * of acts → places. Latents with none are left out. The same numbers as sorting whole columns, for little of the work:
 * most latents' largest value is below their threshold, and of the others only the first candidates are sorted, more
 * of them where the first few stand too close together.
 * @param acts [N,F], −Infinity where no place may be taken
 * @param thresholds one a latent: places must be larger
 */
export async function topPlaces(
  acts: tf.Tensor2D,
  thresholds: ArrayLike<number>,
  options: TopPlacesOptions,
): Promise<Map<number, Place[]>> {
  const rising = await risingLatents(acts, thresholds)
  const found = new Map<number, Place[]>()
  if (rising.length === 0) return found
  const most = Math.min(enough(options), acts.shape[0])
  const byLatent = tf.tidy(() =>
    columns(
      acts,
      rising.map(({ latent }) => latent),
    ),
  )
  try {
    let open = rising
    for (let count = firstCount(options); open.length > 0; count *= 4) {
      const size = Math.min(count, acts.shape[0])
      const rows = open.map(({ row }) => row)
      const { values, indices } = await largest(byLatent, rows, size)
      open = open.filter(({ latent, threshold }, i) => {
        const own = values.subarray(i * size, (i + 1) * size)
        const order = indices.subarray(i * size, i * size + own.filter((value) => value > threshold).length)
        const places = takeApart(order, options.width, options)
        if (places.length < options.k && order.length === size && size < most) return true
        found.set(
          latent,
          places.map((index) => ({ index, value: own[order.indexOf(index)] ?? NaN })),
        )
        return false
      })
    }
  } finally {
    byLatent.dispose()
  }
  return found
}

/** A latent of which some activation is above its threshold, and its row among these. */
interface Rising {
  readonly latent: number
  readonly row: number
  readonly threshold: number
}

async function risingLatents(acts: tf.Tensor2D, thresholds: ArrayLike<number>): Promise<Rising[]> {
  const most = await numbersOf(acts.max(0))
  const rising: Rising[] = []
  for (const [latent, value] of most.entries()) {
    const threshold = thresholds[latent] ?? Infinity
    if (value > threshold) rising.push({ latent, row: rising.length, threshold })
  }
  return rising
}

/** Each taken place keeps at most 2 · buffer others out, so that this many candidates always hold k places. */
function enough({ k, buffer, noOverlap }: TopPlacesOptions): number {
  return noOverlap ? (k - 1) * (2 * buffer + 1) + 1 : k
}

function firstCount(options: TopPlacesOptions): number {
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
): Promise<Record<'values' | 'indices', tf.TypedArray>> {
  const top = tf.tidy(() => {
    const chosen = rows.length === x.shape[0] ? x : tf.gather(x, tf.tensor1d([...rows], 'int32'))
    const { values, indices } = tf.topk(chosen, count)
    return { values, indices }
  })
  return { values: await numbersOf(top.values), indices: await numbersOf(top.indices) }
}

/** The numbers of a tensor, which is freed. */
async function numbersOf(x: tf.Tensor): Promise<tf.TypedArray> {
  try {
    return await x.data()
  } finally {
    x.dispose()
  }
}
