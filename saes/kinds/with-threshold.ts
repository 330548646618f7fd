/** From the batch top-k SAE, which looks at a whole batch, to the JumpReLU SAE that looks at one token at a time. */
import * as tf from '@tensorflow/tfjs'
import type { BatchTopKSae } from './batchtopk.js'
import { JumpReluSae } from './jumprelu.js'

/**
 * The JumpReLU SAE that a trained batch top-k SAE becomes: its `topk_threshold` is the threshold of every latent, so
 * that a token's latents no longer depend on the rest of the batch. The caller owns both.
 */
export function withThreshold(sae: BatchTopKSae): JumpReluSae {
  const { k: _, ...config } = sae.config
  const made = new JumpReluSae({ config: { ...config, architecture: 'jumprelu' }, label: sae.label })
  made.build() // outside tidy: its variables must live on
  tf.tidy(() => {
    const threshold = tf.fill([config.dSae], 1).mul(sae.weight('topk_threshold'))
    const shared = ['W_enc', 'b_enc', 'W_dec', 'b_dec'].map((name) => [name, sae.weight(name)])
    made.load({ ...Object.fromEntries(shared), threshold })
  })
  made.logSparsity = sae.logSparsity
  return made
}
