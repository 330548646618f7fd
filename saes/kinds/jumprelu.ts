/**
 * The JumpReLU SAE: a latent fires with its pre-activation where that is above the latent's own threshold, strictly.
 * Rajamanoharan et al. 2024, arXiv:2407.14435; the SAEs of Gemma Scope.
 */
import * as tf from '@tensorflow/tfjs'
import { jumpRelu } from '../../lib/ops/jump-relu.js'
import { Sae, type Pass } from '../sae.js'

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
