/** From a training's weights to those of an SAE that reads activations as they are. */
import * as tf from '@tensorflow/tfjs'
import { rowNorms } from './objective.js'
import type { TrainingPlan } from './plan.js'
import type { TrainingState } from './state.js'

/**
 * With s the scale of the inputs and n = ‖W_dec[s]‖ (1 where latents compete): W_enc · n, b_enc · n / s, W_dec / n,
 * b_dec / s, threshold · n / s. So a latent's activation is the length of what it writes. The caller owns the tensors.
 */
export function finishedWeights(state: TrainingState, plan: TrainingPlan): Record<string, tf.Tensor> {
  return tf.tidy(() => {
    const { scale, threshold } = state.progress
    const { W_enc, b_enc, W_dec, b_dec, log_threshold } = state.weights
    const norms = plan.architecture === 'topk' ? tf.ones([plan.dSae, 1]) : rowNorms(W_dec) // [S,1]
    const perLatent = norms.flatten().div(scale)
    const thresholds =
      log_threshold?.exp() ?? (plan.architecture === 'batchtopk' ? tf.fill([plan.dSae], threshold) : undefined)
    return {
      W_enc: W_enc.mul(norms.reshape([1, -1])),
      b_enc: b_enc.mul(perLatent),
      W_dec: W_dec.div(norms),
      b_dec: b_dec.div(scale),
      ...(thresholds && { threshold: thresholds.mul(perLatent) }),
    }
  })
}

/** log10 of the share of the last tokens on which each latent fired, plus 1e-10 [S]. */
export async function logDensity({ progress, fired }: TrainingState): Promise<Float32Array> {
  return Float32Array.from(await fired.data(), (times) => Math.log10(times / progress.firedTokens + 1e-10))
}
