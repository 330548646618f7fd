/** LayerNorm in the parts that have hook points of their own: centring, scale, and the division by it. */
import * as tf from '@tensorflow/tfjs'
import type { At } from '../hooks.js'

/**
 * x centred and divided by sqrt(mean(x²) + eps), over the last axis [...,D], with the points `hook_scale` [...,1] and
 * `hook_normalized` [...,D] (before weight and bias, as TransformerLens 3). A folded norm has no weight and bias.
 */
export function layerNorm<T extends tf.Tensor>(x: T, eps: number, at: At, weight?: tf.Tensor, bias?: tf.Tensor): T {
  return tf.tidy(() => {
    const centred = x.sub(x.mean(-1, true))
    const scale = at('hook_scale', centred.square().mean(-1, true).add(eps).sqrt())
    const normalized = at('hook_normalized', centred.div(scale))
    const scaled = weight ? normalized.mul(weight) : normalized
    return (bias ? scaled.add(bias) : scaled) as T
  })
}
