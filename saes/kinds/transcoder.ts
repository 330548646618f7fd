/**
 * The transcoder, a sparse stand-in for a part of the model: it reads at one hook point and writes at another, such as
 * from an MLP's input to its output. Dunefsky et al. 2024, arXiv:2406.11944.
 */
import * as tf from '@tensorflow/tfjs'
import { ConfigError } from '../../lib/errors/errors.js'
import type { At } from '../../lib/core/hooks.js'
import { stopGradient } from '../../lib/ops/stop-gradient.js'
import type { Splice, SpliceOptions } from '../../lib/core/splice.js'
import { Sae, type Finishing, type Pass } from '../sae.js'
import { checkSpliceOptions, innerPoints, inPlaceOf, isEdited, outputPoints } from '../sae-points.js'

/**
 * latents = ReLU(x · W_enc + b_enc), written as latents · W_dec + b_dec [...,D_out]. Dunefsky et al. 2024,
 * arXiv:2406.11944.
 *
 * @example
 * using transcoder = await loadSae('./my-transcoder') // reads at hookName, writes at hookNameOut
 * const view = model.withSaes(transcoder, { errorTerm: true })
 */
export class Transcoder extends Sae {
  static className = 'Transcoder'

  protected override otherWeights(): Record<string, number[]> {
    return { b_enc: [this.config.dSae] }
  }

  protected override activations(input: tf.Tensor, pass: Pass): tf.Tensor {
    return pass.at('hook_sae_acts_post', tf.relu(this.preActivations(input, pass)))
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    const across = (shape: tf.Shape): tf.Shape => [...shape.slice(0, -1), this.target.dOut]
    return isShape(inputShape) ? across(inputShape) : inputShape.map(across)
  }

  /** The input's norm says nothing about the output's: nothing is put back. */
  protected override finish(recons: tf.Tensor, _: Finishing): tf.Tensor {
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
    const write = (value: tf.Tensor, [recons, clean]: readonly tf.Tensor[], at: At) =>
      inPlaceOf({ value, recons: recons as tf.Tensor, clean: clean && (() => clean.clone()) }, at, options)
    return {
      hookName: this.hookName,
      points: innerPoints,
      apply: (x, at) => this.through(x, at),
      output: {
        hookName: this.target.hookNameOut,
        points: outputPoints(options.errorTerm ?? false, '[B,P,D]'),
        read: (x, at) => tf.tidy(() => read(x, at)),
        write: (y, kept, at) => tf.tidy(() => write(y, kept, at)),
      },
    }
  }

  /** Where it writes, and how many numbers. @throws ConfigError where the config does not say so */
  protected get target(): { readonly hookNameOut: string; readonly dOut: number } {
    const { hookNameOut, dOut } = this.config
    if (hookNameOut !== undefined && dOut !== undefined) return { hookNameOut, dOut }
    throw new ConfigError(`the config of '${this.label}' does not say where it writes. Give hookNameOut and dOut.`)
  }
}

/** Whether it is one shape, not a list of them. */
const isShape = (shape: tf.Shape | tf.Shape[]): shape is tf.Shape => !Array.isArray(shape[0])

tf.serialization.registerClass(Transcoder)
