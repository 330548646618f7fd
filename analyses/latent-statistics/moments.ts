/**
 * Moments of what latents write to the logits, with the vocabulary in pieces: what is held at a time grows neither with
 * the latents nor with the vocabulary. F latents · D d_model · V vocabulary · n tokens of a piece
 */
import * as tf from '@tensorflow/tfjs'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'
import { matMul } from '../../lib/ops/products.js'
import { momentsOf, type Moments, type PowerSums } from '../../lib/stats/row-moments.js'
import { latentDirections } from '../latent-logits.js'

/**
 * One product is of so many latents and tokens: enough for the machine's full speed, and so few that the passes after
 * it find its 10 MiB in the processor's cache.
 */
const [LATENTS, TOKENS] = [2048, 1280]

/** Which latents, and how W_U is taken. */
export interface MomentsOptions {
  readonly latents: readonly number[]
  /** Divide by the norms of W_U's columns, and by those alone, as SAELens does. @default false */
  readonly cosine?: boolean
}

/** Moments of one latent's projection. */
export interface LatentMoments extends Moments {
  readonly latent: number
}

/**
 * Moments of each latent's projection on the unembedding, some latents at a time, in their order. Powers are summed in
 * float32 over a piece of the vocabulary, of numbers without their mean, and in float64 over the pieces.
 * @throws MismatchError as `latentDirections`
 */
export async function* eachMoments(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  { latents, cosine = false }: MomentsOptions,
): AsyncGenerator<LatentMoments[]> {
  const n = view.config.dVocab
  // without the mean no digits are lost to it; where W_U is centred there is none
  const centre = cosine || !view.processing.centerUnembed ? meanColumn(view, cosine) : undefined
  try {
    for (let first = 0; first < latents.length; first += LATENTS) {
      const some = latents.slice(first, first + LATENTS)
      const rows = latentDirections(view, attached, some)
      const origins = centre && tf.tidy(() => tf.matMul(rows, centre))
      try {
        const sums = await powerSums(rows, unembedding(view, { cosine, centre }))
        const origin = await origins?.data()
        yield some.map((latent, i) => ({ latent, ...momentsOf(n, sums(i), origin?.[i]) }))
      } finally {
        tf.dispose(origins ? [rows, origins] : rows)
      }
    }
  } finally {
    centre?.dispose()
  }
}

/** W_U in pieces: each makes columns [D,n] that follow each other, without the centre. */
function unembedding(
  view: HookedModel,
  { cosine, centre }: { readonly cosine: boolean; readonly centre: tf.Tensor2D | undefined },
): (() => tf.Tensor2D)[] {
  return pieces(view).map((piece) => () => {
    const columns = columnsAt(view, piece, cosine)
    return centre ? columns.sub<tf.Tensor2D>(centre) : columns
  })
}

/** Sums of powers of each row's projection on the columns, as a function of the row. */
async function powerSums(
  rows: tf.Tensor2D,
  columns: readonly (() => tf.Tensor2D)[],
): Promise<(row: number) => PowerSums> {
  const [count] = rows.shape
  const totals = new Float64Array(4 * count)
  for (const piece of columns) {
    const sums = tf.tidy(() => powerSumsOf(matMul(rows, piece())))
    try {
      addTo(totals, await sums.data())
    } finally {
      sums.dispose()
    }
  }
  const of = (power: number, row: number) => totals[power * count + row] ?? NaN
  return (row) => [of(0, row), of(1, row), of(2, row), of(3, row)]
}

/** Σx, Σx², Σx³ and Σx⁴ of each row of x [F,n] → [4,F]: as products, which are read once and written nowhere. */
function powerSumsOf(x: tf.Tensor2D): tf.Tensor2D {
  const [count, width] = x.shape
  const squares = x.square<tf.Tensor2D>()
  const ones = tf.ones<tf.Rank.R2>([width, 1])
  const across = (y: tf.Tensor2D) => y.reshape<tf.Tensor3D>([count, 1, width])
  const along = squares.reshape<tf.Tensor3D>([count, width, 1])
  const sums = [
    tf.matMul(x, ones),
    tf.matMul(squares, ones),
    tf.matMul(across(x), along),
    tf.matMul(across(squares), along),
  ]
  return tf.stack(sums.map((sum) => sum.reshape([count]))) as tf.Tensor2D
}

function addTo(totals: Float64Array, values: ArrayLike<number>): void {
  totals.forEach((total, i) => (totals[i] = total + (values[i] ?? NaN)))
}

type Piece = readonly [first: number, count: number]

function pieces(view: HookedModel): Piece[] {
  const { dVocab } = view.config
  const count = Math.ceil(dVocab / TOKENS)
  return Array.from({ length: count }, (_, i) => [i * TOKENS, Math.min(TOKENS, dVocab - i * TOKENS)])
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
