/**
 * The gated MLP, with its hook points. Shazeer 2020, arXiv:2002.05202.
 * Axes: B batch · P position · D d_model · M d_mlp
 */
import type * as tf from '@tensorflow/tfjs'
import type { At } from '../core/hooks.js'
import type { Activation } from './activations.js'
import { linear, type LinearMap } from './linear.js'

/** Matrices of one layer, without biases. */
export interface GatedMlp {
  /** [D,M] */
  readonly W_gate: LinearMap
  /** [D,M] */
  readonly W_in: LinearMap
  /** [M,D] */
  readonly W_out: LinearMap
  readonly activation: Activation
}

/**
 * (activation(x · W_gate) ⊙ (x · W_in)) · W_out: x [B,P,D] → [B,P,D]. As in TransformerLens `hook_pre` is the gate before
 * its activation, `hook_pre_linear` what is gated, `hook_post` their product.
 */
export function gatedMlp(x: tf.Tensor3D, { W_gate, W_in, W_out, activation }: GatedMlp, at: At): tf.Tensor3D {
  const pre = at('hook_pre', linear(x, W_gate)) // [B,P,M]
  const preLinear = at('hook_pre_linear', linear(x, W_in)) // [B,P,M]
  const post = at('hook_post', activation(pre).mul(preLinear)) // [B,P,M]
  return linear(post, W_out) as tf.Tensor3D
}
