/** An SAE's input as it is encoded: heads flattened, normalized, with the way back for the output. Over [...,D]. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, ShapeError } from '../lib/errors/errors.js'
import type { Normalization, SaeConfig } from './config.js'

/** A normalized input, and the way back. */
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
  const width = x.shape.at(-1) ?? 1
  if (kind === 'constant_norm_rescale') {
    const factor = tf.div(Math.sqrt(width), x.norm('euclidean', -1, true))
    return { value: x.mul(factor), undo: (y) => y.div(factor) }
  }
  if (kind === 'layer_norm') {
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

/** Whether the way back depends on the input, so that what a latent writes is not fixed. */
export const undoesByInput = (kind: Normalization): boolean => kind === 'constant_norm_rescale' || kind === 'layer_norm'

/** @throws ArgumentError for an SAE that decodes latents only together with what they were encoded from */
export function checkDecodesAlone({ flattenHeads, normalization }: SaeConfig, label: string): void {
  if (!flattenHeads && !undoesByInput(normalization)) return
  const why = flattenHeads ? 'heads flattened' : normalization
  throw new ArgumentError(`decode: the SAE '${label}' (${why}) needs the input as well. Call decode(acts, input).`)
}

/** An input [...,D], or [...,H,K] where heads are flattened, as [...,D]. @throws ShapeError for another width */
export function flattened(x: tf.Tensor, { dIn, flattenHeads }: SaeConfig, label: string): tf.Tensor {
  const [heads = 0, width = 0] = x.shape.slice(-2)
  const joins = flattenHeads && x.shape.at(-1) !== dIn
  const shape = joins ? [...x.shape.slice(0, -2), heads * width] : x.shape
  if (shape.at(-1) === dIn) return x.reshape(shape)
  const axes = flattenHeads ? 'axes must have' : 'axis must have'
  throw new ShapeError(`SAE '${label}': the input has shape [${x.shape}]. Its last ${axes} ${dIn} numbers.`)
}
