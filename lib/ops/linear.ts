/** Products with frozen weight matrices, whose backward pass uses a stored transpose. */
import * as tf from '@tensorflow/tfjs'
import { ShapeError } from '../errors.js'
import { compute, isTaped, type Forms } from './own-gradient.js'

/** A frozen linear map over the last axis. */
export interface LinearMap {
  readonly shape: readonly [inputs: number, outputs: number]
  /** x [...,in] (+ b [out]) → [...,out] */
  times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor
  /** The gradient by x, [...,in], of the gradient by what `times` gives, [...,out]. */
  back(dy: tf.Tensor): tf.Tensor
}

/** Numbers of a matrix from which on no transpose is kept: it takes the more memory and saves the less time. */
const TOO_LARGE = 2 ** 21

/**
 * Numbers of a matrix from which on wasm multiplies by its transpose from the left: from the right it would be read from
 * memory anew for every four rows. The numbers that come out are the same.
 */
const WIDE = 2 ** 24

/**
 * A frozen weight matrix [in,out] that keeps its transpose once a backward pass has asked for it: `dy · Wᵀ` by a
 * transposed right-hand side takes twice as long by TensorFlow's own kernel, a tenth more by oneDNN's, and transposes
 * each time on wasm.
 */
export class Matrix implements LinearMap {
  readonly value: tf.Tensor2D
  #transpose: tf.Tensor2D | undefined
  #transposeOf: object | undefined

  /** `value` stays its owner's. */
  constructor(value: tf.Tensor2D) {
    this.value = value
  }

  get shape(): [number, number] {
    return this.value.shape
  }

  times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor {
    if (this.value.size < WIDE || tf.getBackend() !== 'wasm') return product(x, this.value, b)
    return tf.tidy(() => plus(compute(transposedProduct(false), [x, this.#kept()])[0]!, b))
  }

  back(dy: tf.Tensor): tf.Tensor {
    if (this.value.size <= TOO_LARGE) return product(dy, this.#kept())
    return compute(transposedProduct(dy.size >= MANY * dy.shape.at(-1)!), [dy, this.value])[0]!
  }

  /** The transpose [out,in], made at the first call; made anew when a variable was assigned to. */
  #kept(): tf.Tensor2D {
    if (this.#transposeOf !== this.value.dataId) {
      this.dispose()
      this.#transpose = tf.keep(tf.tidy(() => tf.transpose(this.value)))
      this.#transposeOf = this.value.dataId
    }
    return this.#transpose!
  }

  /** Frees the transpose. */
  dispose(): void {
    this.#transpose?.dispose()
    this.#transpose = undefined
    this.#transposeOf = undefined
  }
}

/** y (+ b). */
export function plus<T extends tf.Tensor>(y: T, b: tf.Tensor | undefined): T {
  return b ? y.add(b) : y
}

/** What makes rows of rows, [N,in] → [N,out], over the last axis of x: [...,in] → [...,out]. */
export function overRows(x: tf.Tensor, f: (rows: tf.Tensor2D) => tf.Tensor2D): tf.Tensor {
  return tf.tidy(() => {
    const y = f(x.reshape<tf.Tensor2D>([-1, x.shape.at(-1)!]))
    return y.reshape([...x.shape.slice(0, -1), y.shape[1]])
  })
}

/** x · W (+ b). */
function product(x: tf.Tensor, W: tf.Tensor2D, b?: tf.Tensor): tf.Tensor {
  return compute(productForms, b ? [x, W, b] : [x, W])[0]!
}

/** x · W (+ b, + what it is added onto) over the last axis. */
export const productForms: Forms = {
  key: 'product',
  plain: (x, W, b, onto) => [
    plus(
      overRows(x!, (rows) => plus(tf.matMul(rows, W as tf.Tensor2D), b)),
      onto,
    ),
  ],
  graph(g, x, W, b, onto) {
    const rows = g.reshape(x!, g.shape([-1], g.sizes(W!, 0, 1)))
    const y = g.reshape(g.product(rows, W!, { bias: b }), g.shape(g.sizes(x!, 0, -1), g.sizes(W!, 1, 2)))
    return onto === undefined ? y : g.node('AddV2', [onto, y])
  },
}

/** Rows from which on oneDNN reads a transposed right-hand side faster than it turns the product round. */
const MANY = 256

/** dy · Wᵀ: as it stands where oneDNN takes many rows, and as (W · dyᵀ)ᵀ elsewhere. */
const transposedProduct = (many: boolean): Forms => ({
  key: `product, back ${many}`,
  plain: (dy, W) => [overRows(dy!, (rows) => tf.matMul(W as tf.Tensor2D, rows.transpose<tf.Tensor2D>()).transpose())],
  graph(g, dy, W) {
    const rows = g.reshape(dy!, g.shape([-1], g.sizes(W!, 1, 2)))
    const product =
      many && g.oneDnn
        ? g.product(rows, W!, { transposeB: true })
        : g.transpose(g.product(W!, rows, { transposeB: true }), [1, 0])
    return g.reshape(product, g.shape(g.sizes(dy!, 0, -1), g.sizes(W!, 0, 1)))
  },
})

/** a · b of matrices, either transposed: tf.matMul by the faster product, where no gradient is taken. */
export function matMul(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  if (isTaped()) return tf.matMul(a, b, transposeA, transposeB)
  return compute(matrixProduct(transposeA, transposeB), [a, b])[0] as tf.Tensor2D
}

const matrixProduct = (transposeA: boolean, transposeB: boolean): Forms => ({
  key: `a · b ${transposeA} ${transposeB}`,
  plain: (a, b) => [tf.matMul(a!, b!, transposeA, transposeB)],
  graph: (g, a, b) => g.product(a!, b!, { transposeA, transposeB }),
})

/**
 * x · W (+ b) over the last axis: x [...,in] → [...,out]. Differentiable in x; W and b are constants.
 */
export function linear(x: tf.Tensor, W: LinearMap, b?: tf.Tensor): tf.Tensor {
  const [inputs] = W.shape
  if (x.shape.at(-1) !== inputs) {
    throw new ShapeError(
      `linear: x has shape [${x.shape}], the matrix [${W.shape}]. The last axis of x must be ${inputs}.`,
    )
  }
  if (!isTaped()) return W.times(x, b)
  return tf.customGrad((input) => {
    return { value: W.times(input as tf.Tensor, b), gradFunc: (dy) => W.back(dy as tf.Tensor) }
  })(x)
}

/**
 * A product of its own for each head: x [B,P,H,in] with W [H,in,out] → [B,P,H,out]. Differentiable in x.
 */
export function linearPerHead(x: tf.Tensor4D, W: tf.Tensor3D, b?: tf.Tensor2D): tf.Tensor4D {
  return tf.tidy(() => {
    const [batch, positions, heads, inputs] = x.shape
    const byHead = x.transpose([2, 0, 1, 3]).reshape<tf.Tensor3D>([heads, batch * positions, inputs])
    const y = tf
      .matMul(byHead, W)
      .reshape<tf.Tensor4D>([heads, batch, positions, W.shape[2]])
      .transpose<tf.Tensor4D>([1, 2, 0, 3])
    return b ? y.add<tf.Tensor4D>(b) : y
  })
}
