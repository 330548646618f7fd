/** Masks and the softmax of attention. */
import * as tf from '@tensorflow/tfjs'

/**
 * What is added to attention scores: 0 where a query may look, −Infinity where it may not. [1,1,P,P] without padding,
 * [B,1,P,P] with it. `mask` [B][P] is 1 at real tokens and 0 at padding.
 */
export function causalMask(positions: number, mask?: readonly (readonly number[])[]): tf.Tensor4D {
  const rows = mask ?? [undefined]
  const values = new Float32Array(rows.length * positions * positions)
  rows.forEach((real, b) => {
    for (let q = 0; q < positions; q++) {
      for (let k = 0; k < positions; k++) {
        if (k > q || real?.[k] === 0) values[(b * positions + q) * positions + k] = -Infinity
      }
    }
  })
  return tf.tensor4d(values, [rows.length, 1, positions, positions])
}

/**
 * Softmax over keys, scores [B,H,Q,K]. A query that may look nowhere (padding) gets zeros, not NaN, as in
 * TransformerLens, and passes no gradient.
 */
export function attentionSoftmax(scores: tf.Tensor4D, hasPadding: boolean): tf.Tensor4D {
  if (!hasPadding) return tf.softmax(scores)
  return tf.customGrad((input, save) => {
    const soft = tf.softmax(input as tf.Tensor)
    const pattern = tf.where(tf.isNaN(soft), tf.zerosLike(soft), soft)
    ;(save as tf.GradSaveFunc)([pattern])
    return {
      value: pattern,
      gradFunc: (dy, saved) => {
        const p = (saved as tf.Tensor[])[0]!
        const weighted = p.mul(dy as tf.Tensor)
        return weighted.sub(p.mul(weighted.sum(-1, true)))
      },
    }
  })(scores) as tf.Tensor4D
}
