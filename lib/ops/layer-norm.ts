/** LayerNorm in the parts that have hook points of their own: centring, scale, and the division by it. */
import * as tf from '@tensorflow/tfjs'
import type { At } from '../hooks.js'

/**
 * x centred and divided by sqrt(mean(x²) + eps), over the last axis [...,D], with the points `hook_scale` [...,1] and
 * `hook_normalized` [...,D] (before weight and bias, as TransformerLens 3). A folded norm has no weight and bias.
 */
export function layerNorm<T extends tf.Tensor>(x: T, eps: number, at: At, weight?: tf.Tensor, bias?: tf.Tensor): T {
  return tf.tidy(() => {
    const watched = at.wants('hook_scale') || at.wants('hook_normalized')
    const normalized = watched ? inParts(x, eps, at) : normalize(x, (v) => v.sub(v.mean(-1, true)), eps)
    const scaled = weight ? normalized.mul(weight) : normalized
    return (bias ? scaled.add(bias) : scaled) as T
  })
}

function inParts(x: tf.Tensor, eps: number, at: At): tf.Tensor {
  const centred = x.sub(x.mean(-1, true))
  return at('hook_normalized', centred.div(at('hook_scale', rootMeanSquare(centred, eps))))
}

export function rootMeanSquare(x: tf.Tensor, eps: number): tf.Tensor {
  return x.square().mean(-1, true).add(eps).sqrt()
}

/**
 * y = c / sqrt(mean(c²) + eps) with c = centre(x), in one piece: the backward pass is (dy − y · mean(y · dy)) / scale,
 * centred in its turn, instead of one step for each of the ops.
 * @param centre takes the mean away, or does nothing (RMSNorm): its own transpose, so that it is its own gradient
 */
export function normalize(x: tf.Tensor, centre: (v: tf.Tensor) => tf.Tensor, eps: number): tf.Tensor {
  return tf.customGrad((input, save) => {
    const centred = centre(input as tf.Tensor)
    const scale = rootMeanSquare(centred, eps)
    const value = centred.div(scale)
    ;(save as tf.GradSaveFunc)([value, scale])
    return {
      value,
      gradFunc: (dy, saved) => {
        const [y, s] = saved as [tf.Tensor, tf.Tensor]
        return tf.tidy(() => {
          const along = y.mul(dy as tf.Tensor).mean(-1, true)
          return centre((dy as tf.Tensor).sub(y.mul(along))).div(s)
        })
      },
    }
  })(x)
}
