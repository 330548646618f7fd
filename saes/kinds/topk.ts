/** The top-k SAE. Gao et al. 2024, arXiv:2406.04093. */
import * as tf from '@tensorflow/tfjs'
import { keepTopK } from '../../lib/ops/top-k.js'
import { Sae, type Pass } from '../sae.js'

/**
 * latents = ReLU of each token's k largest of (x − b_dec) · W_enc + b_enc [...,S], the rest 0. Gao et al. 2024,
 * arXiv:2406.04093.
 *
 * @example
 * const { sae } = await trainSae(model, data, { hook, architecture: 'topk', k: 16, dSae: 384, steps: 150 })
 */
export class TopKSae extends Sae {
  static className = 'TopKSae'

  override get latentsCompete(): boolean {
    return true
  }

  protected override otherWeights(): Record<string, number[]> {
    return { b_enc: [this.config.dSae] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    const pre = this.preActivations(input, pass) // [B,P,S]
    return pass.at('hook_sae_acts_post', tf.relu(keepTopK(pre, this.k)))
  }
}

tf.serialization.registerClass(TopKSae)
