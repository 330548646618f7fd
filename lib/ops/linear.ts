/** Products with frozen weight matrices. */
import * as tf from '@tensorflow/tfjs'
import { ShapeError } from '../errors/errors.js'
import { isRecordingGradients } from './custom-gradient.js'
import type { LinearMap } from './weight-matrix.js'

/**
 * x · W (+ b) over the last axis: x [...,in] → [...,out]. Differentiable in x; W and b are constants.
 * @throws ShapeError where the last axis of x is not as long as the matrix has inputs
 */
export function linear<T extends tf.Tensor>(x: T, W: LinearMap, b?: tf.Tensor): T {
  const [inputs] = W.shape
  if (x.shape.at(-1) !== inputs) {
    throw new ShapeError(
      `linear: x has shape [${x.shape}], the matrix [${W.shape}]. The last axis of x must be ${inputs}.`,
    )
  }
  if (!isRecordingGradients()) return W.times(x, b) as T
  return tf.customGrad((input) => {
    return { value: W.times(input as tf.Tensor, b), gradFunc: (dy) => W.back(dy as tf.Tensor) }
  })(x) as T
}

/**
 * A product of its own for each head: x [B,P,H,in] with W [H,in,out] (+ b [H,out]) → [B,P,H,out]. Differentiable in x.
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
