/**
 * Losses with gradients written out, which take a third of the time of a tape. N tokens · D d_in · S latents.
 * All losses are means over tokens; squared errors are summed over D.
 */
import * as tf from '@tensorflow/tfjs'
import { matMul } from '../../lib/ops/products.js'

/** W_enc [D,S], b_enc [S], W_dec [S,D], b_dec [D] and what a kind adds. */
export type Weights = Readonly<Record<string, tf.Tensor>>

/** What a loss is told beside weights and inputs. */
export interface Terms {
  /** Weight of the sparsity loss in this step. */
  readonly sparsity: number
  /** 1 for latents that are dead, else 0 [S]; and how many are. */
  readonly dead: tf.Tensor1D
  readonly deadCount: number
}

export interface Losses {
  /** By every weight, of mean ‖x̂ − x‖² + the other losses. */
  readonly gradients: Readonly<Record<string, tf.Tensor>>
  /** f [N,S] */
  readonly acts: tf.Tensor2D
  /** x̂ − x [N,D] */
  readonly error: tf.Tensor2D
  /** The losses beside the squared error, weighted. A scalar. */
  readonly other: tf.Scalar
}

/** The loss of a kind of SAE, for inputs x [N,D]. Called in a tidy. */
export type Objective = (weights: Weights, x: tf.Tensor2D, terms: Terms) => Losses

/** x − b_dec [N,D], and its pre-activations [N,S]. */
export function encode({ W_enc, b_enc, b_dec }: Weights, x: tf.Tensor2D): { centred: tf.Tensor2D; pre: tf.Tensor2D } {
  const centred = x.sub<tf.Tensor2D>(b_dec!)
  return { centred, pre: matMul(centred, W_enc as tf.Tensor2D).add(b_enc!) }
}

/** x̂ − x [N,D], and the gradients of its mean square by x̂ [N,D] and by the latents [N,S]. */
export function reconstruct({ W_dec, b_dec }: Weights, x: tf.Tensor2D, acts: tf.Tensor2D) {
  const error = matMul(acts, W_dec as tf.Tensor2D).add<tf.Tensor2D>(b_dec!.sub(x))
  const byRecons = error.mul<tf.Tensor2D>(2 / x.shape[0])
  return { error, byRecons, byActs: matMul(byRecons, transposed(W_dec!)) }
}

/** The chain rule from pre-activations [N,S] and reconstructions [N,D] to the weights. */
export function backward(
  { W_enc }: Weights,
  centred: tf.Tensor2D,
  acts: tf.Tensor2D,
  byPre: tf.Tensor2D,
  byRecons: tf.Tensor2D,
) {
  const b_enc = byPre.sum(0)
  // b_dec is in the reconstruction, and with a minus in what is encoded
  const throughEncoder = matMul(W_enc as tf.Tensor2D, b_enc.reshape<tf.Tensor2D>([-1, 1])).flatten()
  return {
    W_enc: matMul(transposed(centred), byPre),
    b_enc,
    W_dec: matMul(transposed(acts), byRecons),
    b_dec: byRecons.sum(0).sub(throughEncoder),
  }
}

/** Written out: products with a transposed side are slow, on wasm ten times. */
export const transposed = (x: tf.Tensor): tf.Tensor2D => tf.transpose(x) as tf.Tensor2D

/** 1 where x > 0, else 0. */
export const fires = (x: tf.Tensor): tf.Tensor2D => x.greater(0).cast('float32')

/** ‖W_dec[s]‖ [S,1]; of a row of zeros hardly more than 0, so that it can be divided by. */
export const rowNorms = (W_dec: tf.Tensor): tf.Tensor2D => W_dec.norm('euclidean', 1, true).maximum(1e-8)
