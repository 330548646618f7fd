/** The gated SAE. Rajamanoharan et al. 2024, arXiv:2404.16014. */
import * as tf from '@tensorflow/tfjs'
import { gated } from '../../lib/ops/jump-relu.js'
import { Sae, type Pass } from '../sae.js'

/**
 * latents = ReLU(c · W_enc · exp(r_mag) + b_mag) where c · W_enc + b_gate > 0, else 0 [...,S], with c = x − b_dec: one
 * path says whether a latent fires, the other how much; they share W_enc up to a factor exp(r_mag) for each latent.
 * Rajamanoharan et al. 2024, arXiv:2404.16014.
 *
 * @example
 * using sae = await loadSae('./my-gated-sae')
 * const gate = sae.weight('b_gate') // [S], belongs to the SAE
 */
export class GatedSae extends Sae {
  static className = 'GatedSae'

  protected override otherWeights(): Record<string, number[]> {
    const { dSae } = this.config
    return { b_gate: [dSae], r_mag: [dSae], b_mag: [dSae] }
  }

  /** hook_sae_acts_pre is the magnitude. */
  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    const shared = pass.multiply(input, 'W_enc')
    const magnitude = shared.mul(tf.exp(pass.perLatent('r_mag'))).add(pass.perLatent('b_mag'))
    const pre = pass.at('hook_sae_acts_pre', magnitude) // [B,P,S]
    return pass.at('hook_sae_acts_post', gated(tf.relu(pre), shared.add(pass.perLatent('b_gate'))))
  }
}

tf.serialization.registerClass(GatedSae)
