/** Products of rows with a matrix, as ops: which kernel multiplies, and which way round. */
import * as tf from '@tensorflow/tfjs'
import type { GraphText, Node } from '../backend/native/graph-text.js'
import { isRecordingGradients } from './custom-gradient.js'
import { compute, defineChain, defineOp, type Names, type Op } from './op.js'

/** Rows x [N,in], a matrix W, a bias b [out], rows [N,out] that the product is added to. */
export type ProductInputs = Names<'x' | 'W', 'b' | 'onto'>
export type Product = Op<ProductInputs, Names<'y'>>

/** How many rows x [...,in] has. */
export const rowCount = (x: tf.Tensor): number => x.size / (x.shape.at(-1) ?? 1)

/** y (+ b). */
export function plus<T extends tf.Tensor>(y: T, b: tf.Tensor | undefined): T {
  return b ? y.add(b) : y
}

/** y (+ what it is added to). */
export const plusNode = (g: GraphText, y: Node, onto: Node | undefined): Node =>
  onto === undefined ? y : g.node('AddV2', [onto, y])

/** x · W (+ b, + onto), W stored [in,out]. */
export const productOp = defineOp<ProductInputs, Names<'y'>>('product', () => ({
  opByOp: ({ x, W, b, onto }) => ({ y: plus(plus(tf.matMul(x, W), b), onto) }),
  graph: (g, { x, W, b, onto }) => ({ y: plusNode(g, g.product(x, W, { bias: b }), onto) }),
}))

/** x · Wᵀ (+ b, + onto), W stored [out,in], as (W · xᵀ)ᵀ. */
const fromTheLeft = defineOp<ProductInputs, Names<'y'>>('(W · xᵀ)ᵀ', () => ({
  opByOp: byTransposing,
  graph: (g, { x, W, b, onto }) => ({ y: plusNode(g, productFromTheLeft(g, { x, W, b }), onto) }),
}))

/** The same as it stands, where oneDNN's kernel is there to read a matrix the other way round. */
const fromTheRight = defineOp<ProductInputs, Names<'y'>>('x · Wᵀ', () => ({
  opByOp: byTransposing,
  graph(g, { x, W, b, onto }) {
    const y = g.oneDnn ? g.product(x, W, { transposeB: true, bias: b }) : productFromTheLeft(g, { x, W, b })
    return { y: plusNode(g, y, onto) }
  },
}))

function byTransposing({ x, W, b, onto }: { [N in keyof ProductInputs]: tf.Tensor }): { y: tf.Tensor } {
  return { y: plus(plus(tf.matMul(W, x.transpose()).transpose(), b), onto) }
}

interface LeftProduct {
  readonly x: Node
  readonly W: Node
  readonly b?: Node | undefined
}

function productFromTheLeft(g: GraphText, { x, W, b }: LeftProduct): Node {
  return g.biased(g.transpose(g.product(W, x, { transposeB: true }), [1, 0]), b)
}

/** Rows from which oneDNN reads a transposed right-hand side faster than the product is turned round. */
const FROM_THE_RIGHT = { fewInputs: 32, manyInputs: 256 }

/** How so many rows are multiplied fastest with a matrix that is stored [out,in]. */
export function transposedProduct(rows: number, inputs: keyof typeof FROM_THE_RIGHT = 'fewInputs'): Product {
  return rows < FROM_THE_RIGHT[inputs] ? fromTheLeft({}) : fromTheRight({})
}

/** x [...,width] as rows [N,width]. */
export const rowsOp = defineOp<Names<'x'>, Names<'rows'>, { width: number }>('rows', ({ width }) => ({
  opByOp: ({ x }) => ({ rows: x.reshape([-1, width]) }),
  graph: (g, { x }) => ({ rows: g.reshape(x, g.integers([-1, width])) }),
}))

/** Rows in the shape of `like`, which has as many numbers. */
export const reshapeLikeOp = defineOp<Names<'rows' | 'like'>, Names<'y'>>('rows in the shape of', () => ({
  opByOp: ({ rows, like }) => ({ y: rows.reshape(like.shape) }),
  graph: (g, { rows, like }) => ({
    y: g.reshape(rows, g.node('Shape', [like], { T: 'float32', out_type: 'int32' })),
  }),
}))

/** Rows [N,width] in the shape of `like` [...,D] but for the last axis: [...,width]. */
const restoreOp = defineOp<Names<'rows' | 'like'>, Names<'y'>, { width: number }>(
  'rows over the axes',
  ({ width }) => ({
    opByOp: ({ rows, like }) => ({ y: rows.reshape([...like.shape.slice(0, -1), width]) }),
    graph: (g, { rows, like }) => ({ y: g.reshape(rows, g.shape(g.sizes(like, 0, -1), [width])) }),
  }),
)

type LastAxis = {
  readonly product: Product
  readonly inputs: number
  readonly outputs: number
}

/** A product of rows over the last axis of x: [...,in] → [...,out]. */
export const overLastAxis = defineChain<ProductInputs, Names<'y'>, LastAxis>(
  'over the last axis',
  ({ product, inputs, outputs }) =>
    (run, { x, W, b }) => {
      const { rows } = run(rowsOp({ width: inputs }), { x })
      const { y } = run(product, { x: rows, W, b })
      return run(restoreOp({ width: outputs }), { rows: y, like: x })
    },
)

/** What makes rows of rows, [N,in] → [N,out], over the last axis of x: [...,in] → [...,out]. */
export function overRows(x: tf.Tensor, f: (rows: tf.Tensor2D) => tf.Tensor2D): tf.Tensor {
  return tf.tidy(() => {
    const y = f(x.reshape<tf.Tensor2D>([-1, x.shape.at(-1) ?? 1]))
    return y.reshape([...x.shape.slice(0, -1), y.shape[1]])
  })
}

export interface Transposed {
  readonly a?: boolean
  readonly b?: boolean
}

/** a · b of matrices, either transposed: tf.matMul by the faster kernel, where no gradient is taken. */
export function matMul(a: tf.Tensor2D, b: tf.Tensor2D, transposed: Transposed = {}): tf.Tensor2D {
  const { a: transposeA = false, b: transposeB = false } = transposed
  if (isRecordingGradients()) return tf.matMul(a, b, transposeA, transposeB)
  return compute(matMulOp({ transposeA, transposeB }), { a, b }).y as tf.Tensor2D
}

const matMulOp = defineOp<Names<'a' | 'b'>, Names<'y'>, { transposeA: boolean; transposeB: boolean }>(
  'a · b',
  ({ transposeA, transposeB }) => ({
    opByOp: ({ a, b }) => ({ y: tf.matMul(a, b, transposeA, transposeB) }),
    graph: (g, { a, b }) => ({ y: g.product(a, b, { transposeA, transposeB }) }),
  }),
)

/** The transpose of a large matrix: tf.transpose in half the time on the native backend, where no gradient is taken. */
export function transpose(x: tf.Tensor2D): tf.Tensor2D {
  return compute(transposeOp({}), { x }).y as tf.Tensor2D
}

const transposeOp = defineOp<Names<'x'>, Names<'y'>>('transpose', () => ({
  opByOp: ({ x }) => ({ y: x.transpose() }),
  graph: (g, { x }) => ({ y: g.transpose(x, [1, 0], true) }),
}))
