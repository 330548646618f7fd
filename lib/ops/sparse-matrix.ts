/** A frozen matrix whose rows are wanted for few columns of what is multiplied: latents, of which most are zero. */
import type * as tf from '@tensorflow/tfjs'
import { Matrix, overRows, plus } from './linear.js'
import { nativeOp } from './native.js'

/** As `Matrix`, for rows that are mostly zeros: on the native backend zeros cost next to nothing. */
export class SparseRowsMatrix extends Matrix {
  override times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor {
    const native = nativeOp()
    if (!native) return super.times(x, b)
    const attributes = {
      transpose_a: false,
      transpose_b: false,
      a_is_sparse: true,
      b_is_sparse: false,
      Ta: 'float32',
      Tb: 'float32',
    } as const
    return overRows(x, (rows) => plus(native('SparseMatMul', attributes, [rows, this.value]) as tf.Tensor2D, b))
  }
}
