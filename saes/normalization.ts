/** Normalizations of an SAE's input, each with the way back for its output. Over the last axis, [...,d_in]. */
import * as tf from '@tensorflow/tfjs'
import type { Normalization } from './config.js'

export interface Normalized {
  readonly value: tf.Tensor
  /** From the reconstruction of the normalized input to that of the input. */
  readonly undo: (reconstruction: tf.Tensor) => tf.Tensor
}

/**
 * - `none`, and `expected_average_only_in`, whose factor is folded into the weights and does nothing at run time
 * - `constant_norm_rescale`: x · √d_in / ‖x‖, undone by division
 * - `layer_norm`: (x − mean) / (std + 1e-5) with the unbiased std, undone by · std + mean
 *
 * As SAELens; gradients flow through norm and way back.
 */
export function normalizeInput(x: tf.Tensor, kind: Normalization): Normalized {
  if (kind === 'constant_norm_rescale') {
    const factor = tf.div(Math.sqrt(x.shape.at(-1)!), x.norm('euclidean', -1, true))
    return { value: x.mul(factor), undo: (y) => y.div(factor) }
  }
  if (kind === 'layer_norm') {
    const width = x.shape.at(-1)!
    const mean = x.mean(-1, true)
    const centred = x.sub(mean)
    const std = centred
      .square()
      .sum(-1, true)
      .div(width - 1)
      .sqrt()
    return { value: centred.div(std.add(1e-5)), undo: (y) => y.mul(std).add(mean) }
  }
  return { value: x, undo: (y) => y }
}
