/** Products with frozen weight matrices, whose backward pass uses a stored transpose. */
import * as tf from '@tensorflow/tfjs'
import { ShapeError } from '../errors.js'
import { isNativeCpu } from './native.js'

/** A frozen linear map from rows of `in` numbers to rows of `out`. */
export interface LinearMap {
  readonly shape: readonly [inputs: number, outputs: number]
  /** rows [N,in] (+ b [out]) → [N,out] */
  times(rows: tf.Tensor2D, b?: tf.Tensor): tf.Tensor2D
  /** The gradient by rows, [N,in], of the gradient by what `times` gives, [N,out]. */
  back(dy: tf.Tensor2D): tf.Tensor2D
}

/**
 * Where a product is made of parts: the native backend reads a narrow part of a wide matrix a fifth faster, with the
 * copy of it. Rows are worth that copy from some hundreds on. Columns of a part are no multiple of 1024, whose rows
 * would lie in the same places of the processor's cache.
 */
const [WIDE, MANY, PART] = [16384, 256, 2304]

/** Numbers of a matrix from which on no transpose is kept: it takes the more memory and saves the less time. */
const TOO_LARGE = 2 ** 21

/**
 * A frozen weight matrix [in,out] that keeps its transpose once a backward pass has asked for it: `dy · Wᵀ` by a
 * transposed right-hand side runs at half the speed on the native backend and at a tenth on wasm.
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

  times(rows: tf.Tensor2D, b?: tf.Tensor): tf.Tensor2D {
    const isLarge = isNativeCpu() && rows.shape[0] >= MANY && this.shape[1] >= WIDE
    return isLarge ? this.#inParts(rows, b) : plus(tf.matMul(rows, this.value), b)
  }

  #inParts(rows: tf.Tensor2D, b?: tf.Tensor): tf.Tensor2D {
    const [inputs, outputs] = this.shape
    const parts: tf.Tensor2D[] = []
    for (let at = 0; at < outputs; at += PART) {
      const count = Math.min(PART, outputs - at)
      parts.push(
        tf.tidy(() => plus(tf.matMul(rows, this.value.slice([0, at], [inputs, count])), b?.slice([at], [count]))),
      )
    }
    return tf.tidy(() => tf.concat(parts, 1))
  }

  back(dy: tf.Tensor2D): tf.Tensor2D {
    if (this.value.size <= TOO_LARGE) return tf.matMul(dy, this.#kept())
    return tf.tidy(() => tf.matMul(this.value, dy.transpose<tf.Tensor2D>()).transpose())
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

/**
 * x · W (+ b) over the last axis: x [...,in] → [...,out]. Differentiable in x; W and b are constants.
 */
export function linear(x: tf.Tensor, W: LinearMap, b?: tf.Tensor): tf.Tensor {
  const [inputs, outputs] = W.shape
  if (x.shape.at(-1) !== inputs) {
    throw new ShapeError(
      `linear: x has shape [${x.shape}], the matrix [${W.shape}]. The last axis of x must be ${inputs}.`,
    )
  }
  return tf.tidy(() => {
    const y = frozenLinear(x.reshape<tf.Tensor2D>([-1, inputs]), W, b)
    return y.reshape([...x.shape.slice(0, -1), outputs])
  })
}

/** Rows [N,in] through a frozen map (+ b), which is differentiated by the rows alone. */
function frozenLinear(rows: tf.Tensor2D, W: LinearMap, b?: tf.Tensor): tf.Tensor2D {
  return tf.customGrad((x) => {
    return { value: W.times(x as tf.Tensor2D, b), gradFunc: (dy) => W.back(dy as tf.Tensor2D) }
  })(rows) as tf.Tensor2D
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
