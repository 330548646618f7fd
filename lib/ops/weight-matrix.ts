/** Frozen weight matrices: how they lie in memory, and how rows are multiplied by them fastest. */
import * as tf from '@tensorflow/tfjs'
import { isNativeCpu } from '../backend/native/ops.js'
import { compute } from './op.js'
import { overLastAxis, productOp, rowCount, transposedProduct, transpose, type Product } from './products.js'

/** A frozen linear map over the last axis. */
export interface LinearMap {
  readonly shape: readonly [inputs: number, outputs: number]
  /** x [...,in] (+ b [out]) → [...,out] */
  times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor
  /** The gradient by x, [...,in], of the gradient by what `times` gives, [...,out]. */
  back(dy: tf.Tensor): tf.Tensor
}

/** How some rows are multiplied: by this product, with this tensor as its W. */
export interface MatmulPlan {
  readonly product: Product
  readonly W: tf.Tensor2D
}

/** Sizes at which the ways of multiplying change, in numbers of a matrix or in rows of x. Measured on x86 with oneDNN. */
const LIMITS = {
  /** A larger matrix keeps no transpose for backward passes: it takes the more memory and saves the less time. */
  keptForBackward: 2 ** 21,
  /** wasm multiplies larger ones from the left: from the right it reads them from memory again for every four rows. */
  wideOnWasm: 2 ** 24,
  /** Smaller ones stay in a cache however they lie. */
  cached: 2 ** 21,
  /** The transpose of a larger one takes too much memory. */
  keptForRows: 2 ** 25,
  /** Rows up to which oneDNN reads a stored matrix where it lies. */
  rowsUnpacked: 256,
}

/** A frozen weight matrix [in,out]. */
export abstract class WeightMatrix implements LinearMap {
  /** As it is stored. Its owner's. */
  readonly value: tf.Tensor2D

  constructor(value: tf.Tensor2D) {
    this.value = value
  }

  abstract get shape(): [inputs: number, outputs: number]
  /** How so many rows are multiplied fastest. */
  abstract matmulPlan(rows: number): MatmulPlan
  abstract back(dy: tf.Tensor): tf.Tensor
  /** The matrix [in,out] as a tensor of its own, which the caller owns. */
  abstract copy(): tf.Tensor2D

  times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor {
    const { product, W } = this.matmulPlan(rowCount(x))
    const [inputs, outputs] = this.shape
    return compute(overLastAxis({ product, inputs, outputs }), { x, W, b }).y
  }

  protected backBy(product: Product, W: tf.Tensor2D, dy: tf.Tensor): tf.Tensor {
    const [inputs, outputs] = this.shape
    return compute(overLastAxis({ product, inputs: outputs, outputs: inputs }), { x: dy, W }).y
  }

  /** Frees what is kept next to the matrix. */
  dispose(): void {}
}

/**
 * A matrix stored [in,out], that keeps its transpose once a backward pass has asked for it: `dy · Wᵀ` by a transposed
 * right-hand side takes twice as long by TensorFlow's own kernel, a tenth more by oneDNN's, and transposes each time on
 * wasm.
 */
export class Matrix extends WeightMatrix {
  #transpose: tf.Tensor2D | undefined
  #transposeOf: object | undefined

  get shape(): [number, number] {
    return this.value.shape
  }

  matmulPlan(_rows: number): MatmulPlan {
    const fromTheLeft = this.value.size >= LIMITS.wideOnWasm && tf.getBackend() === 'wasm' // the numbers are the same
    return fromTheLeft ? { product: transposedProduct(0), W: this.kept() } : { product: productOp({}), W: this.value }
  }

  back(dy: tf.Tensor): tf.Tensor {
    if (this.value.size <= LIMITS.keptForBackward) return this.backBy(productOp({}), this.kept(), dy)
    const [inputs, outputs] = this.shape
    return this.backBy(transposedProduct(rowCount(dy), outputs <= inputs ? 'fewInputs' : 'manyInputs'), this.value, dy)
  }

  copy(): tf.Tensor2D {
    return this.value.clone()
  }

  /** The transpose [out,in], made at the first call, and again after a variable was assigned to. */
  protected kept(): tf.Tensor2D {
    if (!this.#transpose || this.#transposeOf !== this.value.dataId) {
      this.dispose()
      this.#transpose = tf.keep(transpose(this.value))
      this.#transposeOf = this.value.dataId
    }
    return this.#transpose
  }

  override dispose(): void {
    this.#transpose?.dispose()
    this.#transpose = undefined
    this.#transposeOf = undefined
  }
}

/**
 * A matrix stored [out,in], as torch's Linear has it. Where outputs are many its rows are shorter, and oneDNN, which
 * reads a stored matrix of [in,out] across its rows while there are less than some 260 rows of x, finds them in its cache:
 * rows of a multiple of 4096 bytes, as most models' neurons have, push each other out of it.
 */
export class TransposedMatrix extends WeightMatrix {
  get shape(): [number, number] {
    const [outputs, inputs] = this.value.shape
    return [inputs, outputs]
  }

  matmulPlan(rows: number): MatmulPlan {
    return { product: transposedProduct(rows), W: this.value }
  }

  back(dy: tf.Tensor): tf.Tensor {
    return this.backBy(productOp({}), this.value, dy)
  }

  copy(): tf.Tensor2D {
    return this.value.transpose()
  }
}

/**
 * A matrix stored [in,out] of very many outputs, such as an encoder's, which keeps its transpose once it has multiplied
 * some rows: on the native backend these take half the time by it (see `TransposedMatrix`), one row and many no less.
 */
export class WideMatrix extends Matrix {
  override matmulPlan(rows: number): MatmulPlan {
    const { size } = this.value
    const fits = size > LIMITS.cached && size <= LIMITS.keptForRows
    const isWorthIt = fits && rows > 1 && rows <= LIMITS.rowsUnpacked && isNativeCpu()
    return isWorthIt ? { product: transposedProduct(rows), W: this.kept() } : super.matmulPlan(rows)
  }
}
