/**
 * Rewrites of an SAE's weights that change what its latents' activations mean, not what it computes. Each gives a new
 * SAE.
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, MismatchError } from '../lib/errors/errors.js'
import type { SaeConfig } from './config.js'
import type { Sae, SaeKind } from './sae.js'

/** Weights with one number for each latent, in the units of its activation. */
const perLatent = ['b_enc', 'b_gate', 'b_mag', 'threshold']

/**
 * Decoder rows of norm 1: with n = ‖W_dec[s]‖, W_dec / n, and W_enc · n, b_enc · n, so that a latent's activation is
 * the length of what it writes; thresholds · n; of a gated SAE b_gate · n and b_mag · n. As SAELens's fold_W_dec_norm.
 * The caller owns both SAEs.
 *
 * @example
 * using folded = foldWDecNorm(sae)
 * @throws MismatchError where latents compete or are squashed, so that scaling one changes which fire or how much
 */
export function foldWDecNorm(sae: Sae): Sae {
  const { activation, architecture } = sae.config
  if (sae.latentsCompete || activation !== undefined) {
    throw new MismatchError(
      `foldWDecNorm: '${sae.label}' has a ${activation ?? architecture} activation, ` +
        'which scaled latents would change. Only ReLU, gated and JumpReLU SAEs can be folded.',
    )
  }
  const norms = tf.tidy(() => sae.W_dec.norm('euclidean', 1).maximum(1e-8)) // a row of zeros stays one
  try {
    return rewritten(sae, sae.config, (name, weight) => {
      if (name === 'W_dec') return weight.div(norms.reshape([-1, 1]))
      return name === 'W_enc' || perLatent.includes(name) ? weight.mul(norms) : weight
    })
  } finally {
    norms.dispose()
  }
}

/**
 * Puts the average scale of the training inputs, `factor` = √d_in / mean ‖x‖, into the weights: W_enc · s, W_dec / s,
 * b_dec / s, b_enc as it is. The normalization is `none` afterwards. As SAELens's fold_activation_norm_scaling_factor.
 * The caller owns both SAEs.
 *
 * @example
 * using folded = foldActivationNorm(sae, Math.sqrt(768) / 312.4)
 * @throws ArgumentError for a factor that is not above 0, MismatchError for a transcoder
 */
export function foldActivationNorm(sae: Sae, factor: number): Sae {
  if (!(factor > 0) || !Number.isFinite(factor)) {
    throw new ArgumentError(`foldActivationNorm: the factor is ${factor}. It must be a number above 0.`)
  }
  if (sae.hookNameOut !== undefined) {
    throw new MismatchError(
      `foldActivationNorm: '${sae.label}' is a transcoder, whose output is not on its input's scale. ` +
        'Only SAEs can be folded.',
    )
  }
  return rewritten(sae, { ...sae.config, normalization: 'none' }, (name, weight) => {
    if (name === 'W_enc') return weight.mul(factor)
    return name === 'W_dec' || name === 'b_dec' ? weight.div(factor) : weight
  })
}

/** An SAE of the same kind, each of its weights made of that of `sae`. */
function rewritten(sae: Sae, config: SaeConfig, rewrite: (name: string, weight: tf.Tensor) => tf.Tensor): Sae {
  const copy = new (sae.constructor as SaeKind)({ config, label: sae.label })
  tf.tidy(() => {
    const names = Object.keys(sae.weightShapes())
    copy.load(Object.fromEntries(names.map((name) => [name, rewrite(name, sae.weight(name))])))
  })
  copy.logSparsity = sae.logSparsity
  return copy
}
