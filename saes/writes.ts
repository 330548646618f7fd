/** What an SAE's latents write. D d_out · S latents. */
import * as tf from '@tensorflow/tfjs'
import { MismatchError } from '../lib/errors/errors.js'
import { undoesByInput } from './input.js'
import type { Sae } from './sae.js'

/** What one unit of each latent writes, [S,D], and what is written whatever fires, [D]. */
export interface Writes {
  readonly directions: tf.Tensor2D
  readonly bias: tf.Tensor1D
}

/** Of some latents, in their order, or of all. The caller owns both. @throws MismatchError, ArgumentError */
export function writesOf(sae: Sae, latents: readonly number[] | undefined): Writes {
  const { normalization, hasScalingFactor } = sae.config
  if (undoesByInput(normalization)) {
    throw new MismatchError(
      `writes: the SAE '${sae.label}' puts the input's own norm back (${normalization}), ` +
        'so what a latent writes is not fixed. Use an SAE without that.',
    )
  }
  latents?.forEach((latent) => sae.checkLatent(latent))
  const directions = tf.tidy(() => {
    const chosen = latents && tf.tensor1d([...latents], 'int32')
    const ofChosen = <T extends tf.Tensor>(x: T): T => (chosen ? tf.gather(x, chosen) : x.clone())
    const rows = ofChosen(sae.W_dec)
    if (!hasScalingFactor) return rows
    return rows.mul<tf.Tensor2D>(ofChosen(sae.weight('scaling_factor')).expandDims(1))
  })
  return { directions, bias: sae.copyWeight('b_dec') }
}
