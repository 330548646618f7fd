/** GELU in the tanh approximation, `gelu_new` of GPT-2. */
import * as tf from '@tensorflow/tfjs'

// tanh(u) = 2 σ(2u) − 1, so ½x(1 + tanh(u)) = x σ(2u) with u = √(2/π)(x + 0.044715 x³): two ops fewer
const LINEAR = 2 * Math.sqrt(2 / Math.PI)
const CUBIC = LINEAR * 0.044715

/** ½x(1 + tanh(√(2/π)(x + 0.044715x³))), any shape. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
export function geluNew<T extends tf.Tensor>(x: T): T {
  return tf.customGrad((input, save) => {
    const v = input as tf.Tensor
    const gate = v.square().mul(CUBIC).add(LINEAR).mul(v).sigmoid()
    ;(save as tf.GradSaveFunc)([v, gate])
    // in a tidy, as every gradFunc of several ops: tfjs keeps what one leaves behind until the backward pass has ended
    return {
      value: v.mul(gate),
      gradFunc: (dy, saved) => tf.tidy(() => (dy as tf.Tensor).mul(slope(saved as tf.Tensor[]))),
    }
  })(x) as T
}

/** d/dx x σ(g(x)) = σ + x σ (1 − σ) g′(x), with g′ = LINEAR + 3 CUBIC x². */
function slope([x, gate]: tf.Tensor[]): tf.Tensor {
  const inner = x!
    .square()
    .mul(3 * CUBIC)
    .add(LINEAR)
    .mul(x!)
  return gate!.add(gate!.mul(tf.sub(1, gate!)).mul(inner))
}
