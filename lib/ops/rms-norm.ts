/** RMSNorm in the parts that have hook points of their own. Zhang & Sennrich 2019, arXiv:1910.07467. */
import * as tf from '@tensorflow/tfjs'
import type { At } from '../core/hooks.js'
import { isWatched, normalize, rootMeanSquare } from './layer-norm.js'

/**
 * x divided by sqrt(mean(x²) + eps), over the last axis [...,D], with the points `hook_scale` [...,1] and
 * `hook_normalized` [...,D] (before the weight). A folded norm has no weight.
 */
export function rmsNorm<T extends tf.Tensor>(x: T, eps: number, at: At, weight?: tf.Tensor): T {
  return tf.tidy(() => {
    const normalized = isWatched(at)
      ? at('hook_normalized', x.div(at('hook_scale', rootMeanSquare(x, eps))))
      : normalize(x, false, eps)
    return (weight ? normalized.mul(weight) : normalized) as T
  })
}
