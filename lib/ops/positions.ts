/** Position indices and learned position embeddings, with and without padding. */
import * as tf from '@tensorflow/tfjs'

/** Index of each token among the real ones, padding counted as 0: cumulative sum of the mask − 1, not below 0. */
export function positionIds(mask: readonly (readonly number[])[]): number[][] {
  return mask.map((row) => {
    let count = 0
    return row.map((real) => Math.max(0, (count += real) - 1))
  })
}

export interface Places {
  /** Of the tokens: [B,P]. */
  readonly shape: readonly [batch: number, positions: number]
  /** [B][past + P], 1 at real tokens, 0 at padding. @default nothing is padded */
  readonly mask?: readonly (readonly number[])[] | undefined
  /** How many positions stand before the first token. @default 0 */
  readonly past?: number | undefined
}

/** Rows of W_pos [n_ctx,D] for the positions of tokens → [B,P,D]; zeros at padding, as in TransformerLens. */
export function learnedPositions(W_pos: tf.Tensor2D, { shape, mask, past = 0 }: Places): tf.Tensor3D {
  const [batch, positions] = shape
  return tf.tidy(() => {
    if (!mask) return W_pos.slice([past, 0], [positions, -1]).expandDims<tf.Tensor3D>(0).tile([batch, 1, 1])
    const ids = positionIds(mask).map((row) => row.slice(past))
    const rows = tf.gather(W_pos, tf.tensor2d(ids, [batch, positions], 'int32')) as tf.Tensor as tf.Tensor3D
    const real = mask.flatMap((row) => row.slice(past))
    return rows.mul(tf.tensor3d(real, [batch, positions, 1]))
  })
}
