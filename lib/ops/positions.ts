/** Position indices and learned position embeddings, with and without padding. */
import * as tf from '@tensorflow/tfjs'

/** Index of each token among the real ones, padding counted as 0: cumulative sum of the mask − 1, not below 0. */
export function positionIds(mask: readonly (readonly number[])[]): number[][] {
  return mask.map((row) => {
    let count = 0
    return row.map((real) => Math.max(0, (count += real) - 1))
  })
}

/**
 * Rows of W_pos [n_ctx,D] for P tokens after `past` earlier ones → [B,P,D]; zeros at padding, as in TransformerLens.
 * `mask` [B][past + P].
 */
export function learnedPositions(
  W_pos: tf.Tensor2D,
  [batch, positions]: [number, number],
  mask?: readonly (readonly number[])[],
  past = 0,
): tf.Tensor3D {
  return tf.tidy(() => {
    if (!mask) return W_pos.slice([past, 0], [positions, -1]).expandDims<tf.Tensor3D>(0).tile([batch, 1, 1])
    const ids = positionIds(mask).map((row) => row.slice(past))
    const rows = tf.gather(W_pos, tf.tensor2d(ids, [batch, positions], 'int32')) as tf.Tensor as tf.Tensor3D
    const real = mask.flatMap((row) => row.slice(past))
    return rows.mul(tf.tensor3d(real, [batch, positions, 1]))
  })
}
