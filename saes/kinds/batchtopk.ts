/** The batch top-k SAE as it is trained. Bussmann et al. 2024, arXiv:2412.06410. */
import * as tf from '@tensorflow/tfjs'
import { keepTopK } from '../../lib/ops/top-k.js'
import { Sae, type Pass } from '../sae.js'

/**
 * Of a whole batch, the k · N largest of ReLU((x − b_dec) · W_enc + b_enc) fire, N the length of the first axis.
 * Bussmann et al. 2024, arXiv:2412.06410. For use in a model it becomes a JumpReLU SAE with one threshold for all
 * latents, `topk_threshold`, which is also how SAELens saves it when training is done.
 *
 * @example
 * using frozen = withThreshold(sae) // latents of one token no longer depend on the batch
 */
export class BatchTopKSae extends Sae {
  static className = 'BatchTopKSae'

  override get latentsCompete(): boolean {
    return true
  }

  protected override otherWeights(): Record<string, number[]> {
    return { b_enc: [this.config.dSae], topk_threshold: [] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    const pre = this.preActivations(input, pass) // [B,P,S]
    const [count = 1] = pre.shape
    const kept = keepTopK(tf.relu(pre).reshape([1, pre.size]), this.k * count)
    return pass.at('hook_sae_acts_post', kept.reshape(pre.shape))
  }
}

tf.serialization.registerClass(BatchTopKSae)
