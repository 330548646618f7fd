/**
 * Attention in the parts that have hook points of their own.
 * Axes: B batch · Q queries, N keys (positions) · H heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'

export interface MaskOptions {
  /** [B][past + P], 1 at real tokens, 0 at padding. @default nothing is padded */
  readonly mask?: readonly (readonly number[])[]
  /** How many positions stand before the first query. @default 0 */
  readonly past?: number
  /** Local attention: a query sees the last `window` positions, itself included. @default all */
  readonly window?: number
}

/**
 * What is added to the attention scores of Q queries over Q + past keys: 0 where a query may look, −Infinity where it
 * may not. [1,1,Q,past+Q] without padding, [B,1,Q,past+Q] with it.
 */
export function causalMask(queries: number, options: MaskOptions = {}): tf.Tensor4D {
  const { mask, past = 0, window = Infinity } = options
  const keys = past + queries
  const rows = mask ?? [undefined]
  const values = new Float32Array(rows.length * queries * keys)
  rows.forEach((real, b) => {
    for (let q = 0; q < queries; q++) {
      const row = (b * queries + q) * keys
      for (let k = 0; k < keys; k++) {
        const behind = past + q - k
        if (behind < 0 || behind >= window || real?.[k] === 0) values[row + k] = -Infinity
      }
    }
  })
  return tf.tensor4d(values, [rows.length, 1, queries, keys])
}

/**
 * Softmax over keys, scores [B,H,Q,N]. A query that may look nowhere (padding) gets zeros, not NaN, as in
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
        return tf.tidy(() => {
          const weighted = p.mul(dy as tf.Tensor)
          return weighted.sub(p.mul(weighted.sum(-1, true)))
        })
      },
    }
  })(scores) as tf.Tensor4D
}

/** Heads apart: x [B,P,H·K] → [B,P,H,K]. */
export function splitHeads(x: tf.Tensor, heads: number): tf.Tensor4D {
  const [batch, positions, width] = x.shape as [number, number, number]
  return x.reshape([batch, positions, heads, width / heads])
}

/** Heads side by side: z [B,P,H,K] → [B,P,H·K]. */
export function joinHeads(z: tf.Tensor4D): tf.Tensor3D {
  const [batch, positions, heads, size] = z.shape
  return z.reshape([batch, positions, heads * size])
}

/** q · k for each head, times `scale`: q [B,Q,H,K], k [B,N,H,K] → [B,H,Q,N]. Masks and soft-caps are the caller's. */
export function attentionScores(q: tf.Tensor4D, k: tf.Tensor4D, scale: number): tf.Tensor4D {
  // scaling q rather than the scores: Q·K numbers a head instead of Q·N
  const scaled = scale === 1 ? q : q.mul<tf.Tensor4D>(scale)
  return tf.matMul(scaled.transpose<tf.Tensor4D>([0, 2, 1, 3]), k.transpose<tf.Tensor4D>([0, 2, 3, 1]))
}

/** Values mixed by the pattern: pattern [B,H,Q,N], v [B,N,H,K] → z [B,Q,H,K]. */
export function mixValues(pattern: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  return tf.matMul(pattern, v.transpose<tf.Tensor4D>([0, 2, 1, 3])).transpose([0, 2, 1, 3])
}

/** Each key or value head once for every query head that shares it: [B,P,H/times,K] → [B,P,H,K]. */
export function repeatHeads(x: tf.Tensor4D, times: number): tf.Tensor4D {
  if (times === 1) return x
  const [batch, positions, heads, size] = x.shape
  // three axes: tile has a gradient for four at most
  const tiled = x.reshape<tf.Tensor3D>([-1, 1, size]).tile([1, times, 1])
  return tiled.reshape([batch, positions, heads * times, size])
}
