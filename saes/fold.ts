/** Rewrites of an SAE's weights that change what its latents' activations mean, not what it computes. Each gives a new SAE. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, MismatchError } from '../lib/errors/errors.js'
import type { SaeConfig } from './config.js'
import type { Sae, SaeKind } from './sae.js'

type Weights = Record<string, tf.Tensor>

/**
 * Decoder rows of norm 1: with n = ‖W_dec[s]‖, W_dec / n, and W_enc · n, b_enc · n, so that a latent's activation is
 * the length of what it writes; thresholds · n; of a gated SAE b_gate · n and b_mag · n. As SAELens's fold_W_dec_norm.
 * The caller owns both SAEs.
 * @throws MismatchError where latents compete or are squashed, so that scaling one changes which fire or how much
 */
export function foldWDecNorm(sae: Sae): Sae {
  if (sae.latentsCompete || sae.config.activation !== undefined) {
    throw new MismatchError(
      `foldWDecNorm: '${sae.label}' has a ${sae.config.activation ?? sae.config.architecture} activation, which scaled latents would change. Only ReLU, gated and JumpReLU SAEs can be folded.`,
    )
  }
  return rewritten(sae, sae.config, (weights) => {
    const norms = weights['W_dec']!.norm('euclidean', 1).maximum(1e-8) // a row of zeros stays one
    const perLatent = ['b_enc', 'b_gate', 'b_mag', 'threshold'].filter((name) => name in weights)
    return {
      ...weights,
      ...Object.fromEntries(['W_enc', ...perLatent].map((name) => [name, weights[name]!.mul(norms)])),
      W_dec: weights['W_dec']!.div(norms.reshape([-1, 1])),
    }
  })
}

/**
 * Puts the average scale of the training inputs, `factor` = √d_in / mean ‖x‖, into the weights: W_enc · s, W_dec / s,
 * b_dec / s, b_enc as it is. The normalization is `none` afterwards. As SAELens's fold_activation_norm_scaling_factor.
 */
export function foldActivationNorm(sae: Sae, factor: number): Sae {
  if (!(factor > 0) || !Number.isFinite(factor))
    throw new ArgumentError(`foldActivationNorm: the factor is ${factor}. It must be a number above 0.`)
  if (sae.hookNameOut !== undefined) {
    throw new MismatchError(
      `foldActivationNorm: '${sae.label}' is a transcoder, whose output is not on its input's scale. Only SAEs can be folded.`,
    )
  }
  return rewritten(sae, { ...sae.config, normalization: 'none' }, (weights) => ({
    ...weights,
    W_enc: weights['W_enc']!.mul(factor),
    W_dec: weights['W_dec']!.div(factor),
    b_dec: weights['b_dec']!.div(factor),
  }))
}

function rewritten(sae: Sae, config: SaeConfig, rewrite: (weights: Weights) => Weights): Sae {
  const copy = new (sae.constructor as SaeKind)({ config, label: sae.label })
  copy.build() // outside tidy: its variables must live on
  tf.tidy(() => {
    const weights = Object.fromEntries(Object.keys(sae.weightShapes()).map((name) => [name, sae.weight(name)]))
    copy.load(rewrite(weights))
  })
  copy.logSparsity = sae.logSparsity
  return copy
}
