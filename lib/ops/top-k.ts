/** The k largest of each row, differentiable in what passes. Gao et al. 2024, Scaling and evaluating sparse autoencoders. */
import * as tf from '@tensorflow/tfjs'

/** x with all but the k largest of each row [...,S] set to 0: exactly k pass, the first of equals. Differentiable in x. */
export function keepTopK(x: tf.Tensor, k: number): tf.Tensor {
  const width = x.shape.at(-1)!
  if (k >= width) return x.clone()
  return tf.customGrad((input, save) => {
    const mask = topKMask((input as tf.Tensor).reshape([-1, width]), k).reshape(x.shape)
    ;(save as tf.GradSaveFunc)([mask])
    return {
      value: (input as tf.Tensor).mul(mask),
      gradFunc: (dy, saved) => [(dy as tf.Tensor).mul((saved as tf.Tensor[])[0]!)],
    }
  })(x)
}

/** 1 at the k largest of each row [N,S], else 0. */
function topKMask(rows: tf.Tensor2D, k: number): tf.Tensor2D {
  const [count, width] = rows.shape
  const { indices } = tf.topk(rows, k) // [N,k]
  const first = tf.range(0, count * width, width, 'int32').reshape([count, 1]) // place of each row's first number
  const places = indices.add(first).reshape<tf.Tensor2D>([count * k, 1])
  return tf.scatterND(places, tf.ones([count * k]), [count * width]).reshape([count, width])
}
