/** Identities in the forward pass that change the backward pass. tfjs has no stopGradient of its own. */
import * as tf from '@tensorflow/tfjs'

/** x, through which no gradient flows. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return detached(() => x.clone(), x)
}

/** What `compute` makes of the inputs, as a constant: nothing in it is differentiated or even recorded. */
export function detached<T extends tf.Tensor>(compute: () => T, ...inputs: tf.Tensor[]): T {
  const shapes = inputs.map((x) => x.shape)
  return tf.customGrad(() => ({ value: compute(), gradFunc: () => shapes.map((shape) => tf.zeros(shape)) }))(
    ...inputs,
  ) as T
}

/** value, as if it had been computed from x by the identity: x takes the gradient that arrives, value takes it too. */
export function straightThrough<T extends tf.Tensor>(value: T, x: T): T {
  return tf.customGrad((v) => ({
    value: (v as tf.Tensor).clone(),
    gradFunc: (dy) => [dy as tf.Tensor, dy as tf.Tensor],
  }))(value, x) as T
}

/**
 * x, with `seen` called in the backward pass with the gradient that arrives at this point. `anchor` is a scalar the
 * caller differentiates by: it joins x to the tape, so that the backward pass ends here unless an earlier point is
 * tapped as well.
 */
export function tapGradient<T extends tf.Tensor>(x: T, anchor: tf.Scalar, seen: (gradient: tf.Tensor) => void): T {
  return tf.customGrad((input) => ({
    value: (input as tf.Tensor).clone(),
    gradFunc: (dy) => {
      seen(dy as tf.Tensor)
      return [dy as tf.Tensor, tf.scalar(0)]
    },
  }))(x, anchor) as T
}
