/** A frozen matrix whose rows are wanted for few columns of what is multiplied: latents, of which most are zero. */
import type * as tf from '@tensorflow/tfjs'
import { Matrix, overRows, plus, plusNode, productForms, rowsOf, type Factor } from './linear.js'
import { isNativeCpu, nativeOp } from './native.js'
import type { Forms } from './own-gradient.js'

/** Rows up to which `SparseMatMul`, which looks at the whole matrix however few numbers meet it, is slower than a product. */
const FEW = 32

/** As `Matrix`, for rows that are mostly zeros: on the native backend zeros cost next to nothing. */
export class SparseRowsMatrix extends Matrix {
  override factor(rows: number): Factor {
    return rows === 1 && isNativeCpu() ? { form: ofOneRow, tensor: this.value } : super.factor(rows)
  }

  override times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor {
    const native = nativeOp()
    if (!native || rowsOf(x) <= FEW) return super.times(x, b)
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

/** x [1,in] · W (+ b), by the rows of W for which x is not zero. */
const ofOneRow: Forms = {
  key: 'one row',
  plain: productForms.plain,
  graph(g, x, W, b, onto) {
    const isThere = g.node('NotEqual', [g.reshape(x!, g.integers([-1])), g.scalar(0)])
    const places = g.node('Reshape', [g.node('Where', [isThere], { T: 'bool' }), g.integers([-1])], { T: 'int64', Tshape: 'int32' }) // prettier-ignore
    const those = (from: string, axis: number) =>
      g.node('GatherV2', [from, places, g.axis(axis)], { Tparams: 'float32', Tindices: 'int64', Taxis: 'int32' })
    return plusNode(g, g.product(those(x!, 1), those(W!, 0), { bias: b }), onto)
  },
}
