/** A frozen matrix whose rows are wanted for few columns of what is multiplied: latents, of which most are zero. */
import type { GraphText, Node } from '../backend/native/graph-text.js'
import { isNativeCpu } from '../backend/native/ops.js'
import { defineOp, type Names } from './op.js'
import { plusNode, productOp, type ProductInputs } from './products.js'
import { Matrix, type MatmulPlan } from './weight-matrix.js'

/** Rows from which `SparseMatMul`, which looks at the whole matrix whatever meets it, is the faster way. */
const BY_BLOCKS = 257

/** As `Matrix`, for rows that are mostly zeros: on the native backend zeros cost next to nothing. */
export class SparseRowsMatrix extends Matrix {
  override matmulPlan(rows: number): MatmulPlan {
    if (!isNativeCpu()) return super.matmulPlan(rows)
    const [inputs, outputs] = this.shape
    return { product: rows < BY_BLOCKS ? byNumbers({ inputs, outputs }) : byBlocks({}), W: this.value }
  }
}

/** One number in so many that is not zero, from which a plain product is faster. */
const SPARSE = 64

const { opByOp } = productOp({})

/** x [N,in] · W (+ b, + onto), by the numbers of x that are not zero, row by row. */
const byNumbers = defineOp<ProductInputs, Names<'y'>, { inputs: number; outputs: number }>(
  'sparse product by numbers',
  ({ inputs, outputs }) => ({
    opByOp,
    graph(g, { x, W, b, onto }) {
      const matrix = g.reshape(W, g.integers([inputs, outputs])) // sparse kernels want to know its rank
      const places = g.node('Where', [g.node('NotEqual', [x, g.scalar(0)])], { T: 'bool' }) // [places,2]
      const limit = g.node('FloorDiv', [sizeOf(g, x, 'float32'), g.integer(SPARSE / 2)], { T: 'int32' })
      const few = g.node('Less', [sizeOf(g, places, 'int64'), limit], { T: 'int32' })
      const either = (value: Node, T: 'float32' | 'int64') => {
        const two = g.node('Switch', [value, few], { T })
        return { many: two, few: `${two}:1` }
      }
      const [rows, columns] = [either(x, 'float32'), either(matrix, 'float32')]
      const sparse = g.node('DenseToCSRSparseMatrix', [rows.few, either(places, 'int64').few])
      const products = [g.product(rows.many, columns.many), g.node('SparseMatrixMatMul', [sparse, columns.few])]
      const product = g.node('Merge', products, { T: 'float32', N: 2 })
      return { y: plusNode(g, g.biased(product, b), onto) }
    },
  }),
)

/** The same by `SparseMatMul`, which skips the zeros of a block of rows. */
const byBlocks = defineOp<ProductInputs, Names<'y'>>('sparse product by blocks', () => ({
  opByOp,
  graph(g, { x, W, b, onto }) {
    const types = { Ta: 'float32', Tb: 'float32', a_is_sparse: true, b_is_sparse: false } as const
    const product = g.node('SparseMatMul', [x, W], { ...types, transpose_a: false, transpose_b: false })
    return { y: plusNode(g, g.biased(product, b), onto) }
  },
}))

const sizeOf = (g: GraphText, x: Node, T: 'float32' | 'int64'): Node => g.node('Size', [x], { T, out_type: 'int32' })
