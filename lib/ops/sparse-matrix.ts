/** A frozen matrix whose rows are wanted for few columns of what is multiplied: latents, of which most are zero. */
import { Matrix, plusNode, productForms, type Factor } from './linear.js'
import type { GraphText, Node } from '../backend/native/graph.js'
import { isNativeCpu } from '../backend/native/ops.js'
import type { Forms } from './custom-gradient.js'

/** Rows from which on `SparseMatMul`, which looks at the whole matrix whatever meets it, is the faster way. */
const MANY = 257

/** As `Matrix`, for rows that are mostly zeros: on the native backend zeros cost next to nothing. */
export class SparseRowsMatrix extends Matrix {
  override factor(rows: number): Factor {
    if (!isNativeCpu()) return super.factor(rows)
    return { form: rows < MANY ? byNumbers(this.shape) : byBlocks, tensor: this.value }
  }
}

/** One number in so many that is not zero, from which on a plain product is faster. */
const SPARSE = 64

/** x [N,in] · W (+ b, + what it is added onto), by the numbers of x that are not zero, row by row. */
const byNumbers = ([inputs, outputs]: readonly [number, number]): Forms => ({
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
    return plusNode(g, g.biased(product, b), onto)
  },
})

/** The same by `SparseMatMul`, which skips the zeros of a block of rows. */
const byBlocks: Forms = {
  key: 'sparse, of many rows',
  plain: productForms.plain,
  graph(g, x, W, b, onto) {
    const types = { Ta: 'float32', Tb: 'float32', a_is_sparse: true, b_is_sparse: false } as const
    const product = g.node('SparseMatMul', [x!, W!], { ...types, transpose_a: false, transpose_b: false })
    return plusNode(g, g.biased(product, b), onto)
  },
}

const sizeOf = (g: GraphText, x: Node, T: 'float32' | 'int64'): Node => g.node('Size', [x], { T, out_type: 'int32' })

/** Whether a < b / by, of whole numbers. */
const isBelow = (g: GraphText, a: Node, b: Node, by: number): Node =>
  g.node('Less', [a, g.node('FloorDiv', [b, g.integer(by)], { T: 'int32' })], { T: 'int32' })
