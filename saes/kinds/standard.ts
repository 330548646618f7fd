/** The standard SAE. Bricken et al. 2023, Towards Monosemanticity. */
import * as tf from '@tensorflow/tfjs'
import { keepTopK } from '../../lib/ops/top-k.js'
import { Sae, type Pass } from '../sae.js'

/**
 * latents = ReLU((x − b_dec) · W_enc + b_enc) [...,S]. Bricken et al. 2023, Towards Monosemanticity. Configs up to
 * SAELens 5 may name another activation: `tanh-relu`, tanh(ReLU(·)), or `topk`, ReLU of the k largest.
 *
 * @example
 * using sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre') // a StandardSae
 * const acts = sae.encode(x) // [...,S]
 */
export class StandardSae extends Sae {
  static className = 'StandardSae'

  override get latentsCompete(): boolean {
    return this.config.activation === 'topk'
  }

  protected override otherWeights(): Record<string, number[]> {
    return { b_enc: [this.config.dSae] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    return pass.at('hook_sae_acts_post', this.#activate(this.preActivations(input, pass)))
  }

  #activate(pre: tf.Tensor): tf.Tensor {
    const { activation } = this.config
    if (activation === 'topk') return tf.relu(keepTopK(pre, this.k))
    return activation === 'tanh-relu' ? tf.tanh(tf.relu(pre)) : tf.relu(pre)
  }
}

tf.serialization.registerClass(StandardSae)
