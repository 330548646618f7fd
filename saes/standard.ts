/** The standard SAE: latents = ReLU((x − b_dec) · W_enc + b_enc). Bricken et al. 2023, Towards Monosemanticity. */
import * as tf from '@tensorflow/tfjs'
import { Sae, type Pass } from './sae.js'

export class StandardSae extends Sae {
  static className = 'StandardSae'

  protected override otherWeights(): Record<string, number[]> {
    return { b_enc: [this.cfg.dSae] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    const pre = pass.at('hook_sae_acts_pre', pass.multiply(input, 'W_enc').add(this.weight('b_enc'))) // [B,P,S]
    return pass.at('hook_sae_acts_post', tf.relu(pre))
  }
}

tf.serialization.registerClass(StandardSae)
