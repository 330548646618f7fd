/**
 * The batch top-k SAE as it is trained: of a whole batch, the k · N largest ReLU'd pre-activations fire, N the length of
 * the first axis. Bussmann et al. 2024, arXiv:2412.06410. For use in a model it becomes a JumpReLU SAE with one threshold
 * for all latents, `topk_threshold`, which is also how SAELens saves it when training is done.
 */
import * as tf from '@tensorflow/tfjs'
import { keepTopK } from '../../lib/ops/top-k.js'
import { Sae, type Pass } from '../sae.js'

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
    const kept = keepTopK(tf.relu(pre).reshape([1, pre.size]), this.config.k! * pre.shape[0]!)
    return pass.at('hook_sae_acts_post', kept.reshape(pre.shape))
  }
}

tf.serialization.registerClass(BatchTopKSae)
