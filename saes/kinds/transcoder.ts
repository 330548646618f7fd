/**
 * The transcoder, a sparse stand-in for a part of the model: it reads at one hook point and writes at another, such as
 * from an MLP's input to its output. Dunefsky et al. 2024, arXiv:2406.11944.
 */
import * as tf from '@tensorflow/tfjs'
import type { At } from '../../lib/core/hooks.js'
import { stopGradient } from '../../lib/ops/stop-gradient.js'
import type { Splice, SpliceOptions } from '../../lib/core/splice.js'
import type { Normalized } from '../normalization.js'
import { Sae, type Pass } from '../sae.js'
import { checkSpliceOptions, innerPoints, inPlaceOf, isEdited, outputPoints } from '../sae-points.js'

/** latents = ReLU(x · W_enc + b_enc), written as latents · W_dec + b_dec [...,D_out]. */
export class Transcoder extends Sae {
  static className = 'Transcoder'

  protected override otherWeights(): Record<string, number[]> {
    return { b_enc: [this.config.dSae] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    return pass.at('hook_sae_acts_post', tf.relu(this.preActivations(input, pass)))
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    const shapes = (Array.isArray(inputShape[0]) ? inputShape : [inputShape]) as tf.Shape[]
    const outputs = shapes.map((shape) => [...shape.slice(0, -1), this.config.dOut!])
    return Array.isArray(inputShape[0]) ? outputs : outputs[0]!
  }

  /** The input's norm says nothing about the output's: nothing is put back. */
  protected override finish(recons: tf.Tensor, _x: tf.Tensor, _undo: Normalized['undo'], _pass?: Pass): tf.Tensor {
    return recons
  }

  /** Reads at `hookName`; the model's own value at `hookNameOut` gives way to what was made of it. */
  override splice(options: SpliceOptions = {}): Splice {
    checkSpliceOptions(options)
    const passThrough = options.errorGradient === 'passThrough'
    const read = (x: tf.Tensor, at: At) => {
      const made = this.through(passThrough ? stopGradient(x) : x, at)
      return options.errorTerm && isEdited(at) ? [made, this.through(x)] : [made]
    }
    return {
      hookName: this.hookName,
      points: innerPoints,
      apply: (x, at) => this.through(x, at),
      output: {
        hookName: this.config.hookNameOut!,
        points: outputPoints(options.errorTerm ?? false, '[B,P,D]'),
        read: (x, at) => tf.tidy(() => read(x, at)),
        write: (y, [made, clean], at) =>
          tf.tidy(() => inPlaceOf(y, made!, clean && (() => clean.clone()), at, options)),
      },
    }
  }
}

tf.serialization.registerClass(Transcoder)
