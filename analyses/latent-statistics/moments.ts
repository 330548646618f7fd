/**
 * Moments of what latents write to the logits, with the vocabulary in pieces: what is held at a time grows neither with
 * the latents nor with the vocabulary. F latents · D d_model · V vocabulary · n tokens of a piece
 */
import * as tf from '@tensorflow/tfjs'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'
import { matMul } from '../../lib/ops/linear.js'
import { momentsOf, type Moments, type PowerSums } from '../../lib/stats/row-moments.js'
import { latentDirections } from '../latent-logits.js'
import type { RowOptions } from './rows.js'

/**
 * One product is of so many latents and tokens: enough for the machine's full speed, and so few that the passes behind it
 * find its 10 MiB in the processor's cache.
 */
const [LATENTS, TOKENS] = [2048, 1280]

/**
 * Calls `use` with the moments of each latent's projection on the unembedding, in their order. Powers are summed in
 * float32 over a piece of the vocabulary, of numbers without their mean, and in float64 over the pieces.
 * @throws MismatchError as `latentDirections`
 */
export async function eachMoments(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  latents: readonly number[],
  { cosine = false, onProgress }: RowOptions,
  use: (moments: Moments, place: number) => void,
): Promise<void> {
  // without the mean no digits are lost to it; where W_U is centred there is none
  const centre = cosine || !view.processing.centerUnembed ? meanColumn(view, cosine) : undefined
  try {
    for (let first = 0; first < latents.length; first += LATENTS) {
      const some = latents.slice(first, first + LATENTS)
      const rows = latentDirections(view, attached, some)
      const origins = centre && tf.tidy(() => tf.matMul(rows, centre))
      try {
        const sums = await powerSums(view, rows, cosine, centre)
        const origin = await origins?.data()
        some.forEach((_, i) => use(momentsOf(view.config.dVocab, sums(i), origin?.[i]), first + i))
      } finally {
        tf.dispose(origins ? [rows, origins] : rows)
      }
      onProgress?.(some.length)
    }
  } finally {
    centre?.dispose()
  }
}

/** Sums of powers of each row's projection less the centre's, as a function of the row. */
async function powerSums(
  view: HookedModel,
  rows: tf.Tensor2D,
  cosine: boolean,
  centre: tf.Tensor2D | undefined,
): Promise<(row: number) => PowerSums> {
  const count = rows.shape[0]
  const totals = new Float64Array(4 * count)
  for (const at of pieces(view)) {
    const sums = tf.tidy(() => {
      const columns = columnsAt(view, at, cosine)
      return powerSumsOf(matMul(rows, centre ? columns.sub(centre) : columns))
    })
    try {
      const values = await sums.data()
      for (let i = 0; i < totals.length; i++) totals[i]! += values[i]!
    } finally {
      sums.dispose()
    }
  }
  return (row) => [0, 1, 2, 3].map((power) => totals[power * count + row]!) as unknown as PowerSums
}

/** Σx, Σx², Σx³ and Σx⁴ of each row of x [F,n] → [4,F]: as products, which are read once and written nowhere. */
function powerSumsOf(x: tf.Tensor2D): tf.Tensor2D {
  const [count, width] = x.shape
  const squares = x.square<tf.Tensor2D>()
  const ones = tf.ones<tf.Rank.R2>([width, 1])
  const across = (y: tf.Tensor2D) => y.reshape<tf.Tensor3D>([count, 1, width])
  const along = squares.reshape<tf.Tensor3D>([count, width, 1])
  const sums = [tf.matMul(x, ones), tf.matMul(squares, ones), tf.matMul(across(x), along), tf.matMul(across(squares), along)] // prettier-ignore
  return tf.stack(sums.map((sum) => sum.reshape([count]))) as tf.Tensor2D
}

type Piece = readonly [first: number, count: number]

function pieces(view: HookedModel): Piece[] {
  const { dVocab } = view.config
  return Array.from({ length: Math.ceil(dVocab / TOKENS) }, (_, i) => [i * TOKENS, Math.min(TOKENS, dVocab - i * TOKENS)]) // prettier-ignore
}

/** Columns of W_U that follow each other, [D,n]; with `cosine`, divided by their norms. */
function columnsAt(view: HookedModel, [first, count]: Piece, cosine: boolean): tf.Tensor2D {
  const { weights } = view
  const columns =
    weights.tiedUnembedding?.columns(tf.range(first, first + count, 1, 'int32')) ??
    weights.get<tf.Tensor2D>('unembed.W_U').slice([0, first], [-1, count])
  return cosine ? columns.div(columns.square().sum(0).sqrt()) : columns
}

/** The mean over the vocabulary, [D,1]. */
function meanColumn(view: HookedModel, cosine: boolean): tf.Tensor2D {
  return tf.tidy(() => {
    const sums = pieces(view).map((at) => tf.tidy(() => columnsAt(view, at, cosine).sum<tf.Tensor2D>(1, true)))
    return tf.addN(sums).div(view.config.dVocab)
  })
}
