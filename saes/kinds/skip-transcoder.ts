/** The transcoder with a linear map of its input next to its latents. Paulo et al. 2025, arXiv:2501.18823. */
import * as tf from '@tensorflow/tfjs'
import { MismatchError } from '../../lib/errors/errors.js'
import type { Finishing } from '../sae.js'
import { Transcoder } from './transcoder.js'

/**
 * latents = ReLU(x · W_enc + b_enc), written as latents · W_dec + b_dec + x · W_skipᵀ [...,D_out]; W_skip [D_out,D].
 * Paulo et al. 2025, arXiv:2501.18823.
 *
 * @example
 * using transcoder = await loadSae('./my-skip-transcoder')
 * const skip = transcoder.weight('W_skip') // [D_out,D], belongs to the transcoder
 */
export class SkipTranscoder extends Transcoder {
  static override className = 'SkipTranscoder'

  protected override otherWeights(): Record<string, number[]> {
    return { ...super.otherWeights(), W_skip: [this.target.dOut, this.config.dIn] }
  }

  override writes(): never {
    throw new MismatchError(
      `writes: the transcoder '${this.label}' has a skip connection, which writes besides its latents. ` +
        'Use a transcoder without.',
    )
  }

  protected override finish(recons: tf.Tensor, { x, pass }: Finishing): tf.Tensor {
    return pass ? recons.add(pass.skip(x)) : recons
  }
}

tf.serialization.registerClass(SkipTranscoder)
