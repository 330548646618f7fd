/** JumpReLU: what lies above its threshold passes unchanged, the rest is 0. Rajamanoharan et al. 2024, arXiv:2407.14435. */
import * as tf from '@tensorflow/tfjs'

/**
 * x where x > threshold and x > 0, else 0; x [...,S], threshold [S] or a scalar. Differentiable in x: the gradient
 * passes where x does, as tfjs has none for a comparison.
 */
export function jumpRelu(x: tf.Tensor, threshold: tf.Tensor): tf.Tensor {
  const passes = (input: tf.Tensor) => tf.greater(input, tf.relu(threshold))
  return masked(x, passes)
}

/** x where `gate` > 0, else 0; of one shape. The gate is a constant to the gradient. */
export function gated(x: tf.Tensor, gate: tf.Tensor): tf.Tensor {
  return masked(x, () => tf.greater(gate, 0))
}

/** x where a test holds, else 0. The mask is saved for the backward pass, since a tidy frees what the test gave. */
function masked(x: tf.Tensor, passes: (input: tf.Tensor) => tf.Tensor): tf.Tensor {
  return tf.customGrad((input, save) => {
    const mask = passes(input as tf.Tensor)
    ;(save as tf.GradSaveFunc)([mask])
    return {
      value: tf.where(mask, input as tf.Tensor, tf.zerosLike(input as tf.Tensor)),
      gradFunc: (dy, saved) => [tf.where((saved as tf.Tensor[])[0]!, dy as tf.Tensor, tf.zerosLike(dy as tf.Tensor))],
    }
  })(x)
}
