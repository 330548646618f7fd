/** Rewrites of an SAE's weights that change what its latents' activations mean, not what it computes. Each gives a new SAE. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../lib/errors.js'
import type { SaeConfig } from './config.js'
import type { Sae, SaeArgs } from './sae.js'

type Kind = new (args: SaeArgs) => Sae
type Weights = Record<string, tf.Tensor>

/**
 * Decoder rows of norm 1: with n = ‖W_dec[s]‖, W_dec / n, and W_enc · n, b_enc · n, so that a latent's activation is
 * the length of what it writes. As SAELens's fold_W_dec_norm. The caller owns both SAEs.
 */
export function foldWDecNorm(sae: Sae): Sae {
  return rewritten(sae, sae.cfg, (weights) => {
    const norms = weights['W_dec']!.norm('euclidean', 1).maximum(1e-8) // a row of zeros stays one
    return {
      ...weights,
      W_enc: weights['W_enc']!.mul(norms),
      b_enc: weights['b_enc']!.mul(norms),
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
  return rewritten(sae, { ...sae.cfg, normalization: 'none' }, (weights) => ({
    ...weights,
    W_enc: weights['W_enc']!.mul(factor),
    W_dec: weights['W_dec']!.div(factor),
    b_dec: weights['b_dec']!.div(factor),
  }))
}

function rewritten(sae: Sae, cfg: SaeConfig, rewrite: (weights: Weights) => Weights): Sae {
  const copy = new (sae.constructor as Kind)({ cfg, label: sae.label })
  copy.build() // outside tidy: its variables must live on
  tf.tidy(() => {
    const weights = Object.fromEntries(Object.keys(sae.weightShapes()).map((name) => [name, sae.weight(name)]))
    copy.load(rewrite(weights))
  })
  copy.logSparsity = sae.logSparsity
  return copy
}
