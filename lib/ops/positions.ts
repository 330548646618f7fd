/** Position indices and learned position embeddings, with and without padding. */
import * as tf from '@tensorflow/tfjs'

/** Index of each token among the real ones, padding counted as 0: cumulative sum of the mask − 1, not below 0. */
export function positionIds(mask: readonly (readonly number[])[]): number[][] {
  return mask.map((row) => {
    let count = 0
    return row.map((real) => Math.max(0, (count += real) - 1))
  })
}

/** Rows of W_pos [n_ctx,D] for tokens [B,P] → [B,P,D]; zeros at padding, as in TransformerLens. */
export function learnedPositions(
  W_pos: tf.Tensor2D,
  [batch, positions]: [number, number],
  mask?: readonly (readonly number[])[],
): tf.Tensor3D {
  return tf.tidy(() => {
    if (!mask) return W_pos.slice([0, 0], [positions, -1]).expandDims<tf.Tensor3D>(0).tile([batch, 1, 1])
    const rows = tf.gather(
      W_pos,
      tf.tensor2d(positionIds(mask), [batch, positions], 'int32'),
    ) as tf.Tensor as tf.Tensor3D
    return rows.mul(tf.tensor3d(mask.flat(), [batch, positions, 1]))
  })
}
