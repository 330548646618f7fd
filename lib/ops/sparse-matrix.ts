/** A frozen matrix whose rows are wanted for few columns of what is multiplied: latents, of which most are zero. */
import type * as tf from '@tensorflow/tfjs'
import { Matrix, overRows, plus, plusNode, productForms, rowsOf, type Factor } from './linear.js'
import type { GraphText, Node } from './native-graph.js'
import { isNativeCpu, nativeOp } from './native.js'
import type { Forms } from './own-gradient.js'

/** Rows from which on `SparseMatMul`, which looks at the whole matrix whatever meets it, is the faster way. */
const MANY = 257

/** As `Matrix`, for rows that are mostly zeros: on the native backend zeros cost next to nothing. */
export class SparseRowsMatrix extends Matrix {
  override factor(rows: number): Factor {
    return isNativeCpu() ? { form: sparseForms(this.shape), tensor: this.value } : super.factor(rows)
  }

  override times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor {
    const native = nativeOp()
    if (!native || rowsOf(x) < MANY) return super.times(x, b)
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

/** One number in so many that is not zero, from which on a plain product is faster. */
const SPARSE = 64

/** x [N,in] · W (+ b, + what it is added onto), by the numbers of x that are not zero, row by row. */
const sparseForms = ([inputs, outputs]: readonly [number, number]): Forms => ({
  key: `sparse ${inputs}, ${outputs}`,
  plain: productForms.plain,
  graph(g, x, W, b, onto) {
    const matrix = g.reshape(W!, g.integers([inputs, outputs])) // sparse kernels want to know its rank
    const places = g.node('Where', [g.node('NotEqual', [x!, g.scalar(0)])], { T: 'bool' }) // [places,2]
    const few = isBelow(g, sizeOf(g, places, 'int64'), sizeOf(g, x!, 'float32'), SPARSE / 2)
    const either = (value: Node, T: 'float32' | 'int64') => {
      const two = g.node('Switch', [value, few], { T })
      return { many: two, few: `${two}:1` }
    }
    const [rows, columns] = [either(x!, 'float32'), either(matrix, 'float32')]
    const sparse = g.node('DenseToCSRSparseMatrix', [rows.few, either(places, 'int64').few])
    const products = [g.product(rows.many, columns.many), g.node('SparseMatrixMatMul', [sparse, columns.few])]
    const product = g.node('Merge', products, { T: 'float32', N: 2 })
    return plusNode(g, b === undefined ? product : g.node('BiasAdd', [product, b]), onto)
  },
})

const sizeOf = (g: GraphText, x: Node, T: 'float32' | 'int64'): Node => g.node('Size', [x], { T, out_type: 'int32' })

/** Whether a < b / by, of whole numbers. */
const isBelow = (g: GraphText, a: Node, b: Node, by: number): Node =>
  g.node('Less', [a, g.node('FloorDiv', [b, g.axis(by)], { T: 'int32' })], { T: 'int32' })
