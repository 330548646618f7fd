/**
 * Losses with gradients written out, which take a third of the time of a tape. N tokens · D d_in · S latents.
 * All losses are means over tokens; squared errors are summed over D.
 */
import * as tf from '@tensorflow/tfjs'
import { matMul } from '../../lib/ops/products.js'

/** The weights that are trained, for scaled inputs; gradients by them have the same names and shapes. */
export type TrainedWeights = {
  /** [D,S] */
  readonly W_enc: tf.Tensor2D
  /** [S] */
  readonly b_enc: tf.Tensor1D
  /** [S,D] */
  readonly W_dec: tf.Tensor2D
  /** [D] */
  readonly b_dec: tf.Tensor1D
  /** Of JumpReLU SAEs [S]. */
  readonly log_threshold?: tf.Tensor1D
}

/** What a loss depends on besides weights and inputs. */
export interface Terms {
  /** Weight of the sparsity loss in this step. */
  readonly sparsity: number
  /** 1 for latents that are dead, else 0 [S]; and how many are. */
  readonly dead: tf.Tensor1D
  readonly deadCount: number
}

/** What a loss comes to. */
export interface Losses {
  /** By every weight, of mean ‖x̂ − x‖² + the other losses. */
  readonly gradients: TrainedWeights
  /** f [N,S] */
  readonly acts: tf.Tensor2D
  /** x̂ − x [N,D] */
  readonly error: tf.Tensor2D
  /** The losses besides the squared error, weighted. A scalar. */
  readonly other: tf.Scalar
}

/** The loss of a kind of SAE, for inputs x [N,D]. Called in a tidy. */
export type Objective = (weights: TrainedWeights, x: tf.Tensor2D, terms: Terms) => Losses

/** x − b_dec [N,D], and its pre-activations [N,S]. */
export function encode({ W_enc, b_enc, b_dec }: TrainedWeights, x: tf.Tensor2D) {
  const centred = x.sub<tf.Tensor2D>(b_dec)
  return { centred, pre: matMul(centred, W_enc).add<tf.Tensor2D>(b_enc) }
}

/** x̂ − x [N,D], and the gradients of its mean square by x̂ [N,D] and by the latents [N,S]. */
export function reconstruct({ W_dec, b_dec }: TrainedWeights, x: tf.Tensor2D, acts: tf.Tensor2D) {
  const error = matMul(acts, W_dec).add<tf.Tensor2D>(b_dec.sub(x))
  const byRecons = error.mul<tf.Tensor2D>(2 / x.shape[0])
  return { error, byRecons, byActs: matMul(byRecons, tf.transpose(W_dec)) }
}

/** What flowed forward, and the gradients by pre-activations and reconstructions. */
interface Flow {
  /** x − b_dec [N,D] */
  readonly centred: tf.Tensor2D
  /** [N,S] */
  readonly acts: tf.Tensor2D
  /** [N,S] */
  readonly byPre: tf.Tensor2D
  /** [N,D] */
  readonly byRecons: tf.Tensor2D
}

/**
 * The chain rule from pre-activations and reconstructions to the weights. Transposes are written out: products with a
 * transposed side are slow, on wasm ten times.
 */
export function backward({ W_enc }: TrainedWeights, { centred, acts, byPre, byRecons }: Flow): TrainedWeights {
  const b_enc = byPre.sum<tf.Tensor1D>(0)
  // b_dec is in the reconstruction, and with a minus in what is encoded
  const throughEncoder = matMul(W_enc, b_enc.reshape<tf.Tensor2D>([-1, 1])).flatten()
  return {
    W_enc: matMul(tf.transpose(centred), byPre),
    b_enc,
    W_dec: matMul(tf.transpose(acts), byRecons),
    b_dec: byRecons.sum<tf.Tensor1D>(0).sub(throughEncoder),
  }
}

/** 1 where x > 0, else 0. */
export const fires = (x: tf.Tensor2D): tf.Tensor2D => x.greater(0).cast('float32')

/** ‖W_dec[s]‖ [S,1]; of a row of zeros hardly more than 0, so that it can be divided by. */
export const rowNorms = (W_dec: tf.Tensor2D): tf.Tensor2D => W_dec.norm('euclidean', 1, true).maximum(1e-8)
