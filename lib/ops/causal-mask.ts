/** Which keys a query may look at, as what is added to its scores. */
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
        const distance = past + q - k
        if (distance < 0 || distance >= window || real?.[k] === 0) values[row + k] = -Infinity
      }
    }
  })
  return tf.tensor4d(values, [rows.length, 1, queries, keys])
}
