/** The JumpReLU SAE. Rajamanoharan et al. 2024, arXiv:2407.14435. */
import * as tf from '@tensorflow/tfjs'
import { jumpRelu } from '../../lib/ops/jump-relu.js'
import { Sae, type Pass } from '../sae.js'

/**
 * latents = pre where pre > threshold and pre > 0, else 0 [...,S], with pre = (x − b_dec) · W_enc + b_enc and a
 * threshold of its own for each latent [S]. Rajamanoharan et al. 2024, arXiv:2407.14435; the SAEs of Gemma Scope, whose
 * input is not centred.
 *
 * @example
 * using sae = await loadSae('pocket-scope') // a JumpReluSae
 * const thresholds = sae.weight('threshold') // [S], belongs to the SAE
 */
export class JumpReluSae extends Sae {
  static className = 'JumpReluSae'

  protected override otherWeights(): Record<string, number[]> {
    const { dSae } = this.config
    return { b_enc: [dSae], threshold: [dSae] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    const pre = this.preActivations(input, pass) // [B,P,S]
    return pass.at('hook_sae_acts_post', jumpRelu(pre, pass.perLatent('threshold')))
  }
}

tf.serialization.registerClass(JumpReluSae)
