/** The transcoder whose latents have thresholds, as those of Gemma Scope. Lieberum et al. 2024, arXiv:2408.05147. */
import * as tf from '@tensorflow/tfjs'
import { jumpRelu } from '../../lib/ops/jump-relu.js'
import type { Pass } from '../sae.js'
import { Transcoder } from './transcoder.js'

/**
 * latents = x · W_enc + b_enc where that is above the latent's threshold, written as latents · W_dec + b_dec
 * [...,D_out]. Lieberum et al. 2024, arXiv:2408.05147.
 *
 * @example
 * using transcoder = await loadSae('gemma-scope-2b-pt-transcoders', 'layer_8/width_16k/average_l0_52')
 */
export class JumpReluTranscoder extends Transcoder {
  static override className = 'JumpReluTranscoder'

  protected override otherWeights(): Record<string, number[]> {
    return { ...super.otherWeights(), threshold: [this.config.dSae] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    const pre = this.preActivations(input, pass) // [B,P,S]
    return pass.at('hook_sae_acts_post', jumpRelu(pre, pass.perLatent('threshold')))
  }
}

tf.serialization.registerClass(JumpReluTranscoder)
