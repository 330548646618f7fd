/**
 * Transcoders: sparse stand-ins for a part of the model. They read at one hook point and write at another, such as from
 * an MLP's input to its output. Dunefsky et al. 2024, arXiv:2406.11944; with a skip connection, Paulo et al. 2025,
 * arXiv:2501.18823.
 */
import * as tf from '@tensorflow/tfjs'
import { MismatchError } from '../../lib/errors/errors.js'
import type { At } from '../../lib/core/hooks.js'
import { jumpRelu } from '../../lib/ops/jump-relu.js'
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

/** A transcoder whose latents have thresholds, as those of Gemma Scope. */
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

/** A transcoder beside a linear map of its input: latents · W_dec + b_dec + x · W_skipᵀ. */
export class SkipTranscoder extends Transcoder {
  static override className = 'SkipTranscoder'

  protected override otherWeights(): Record<string, number[]> {
    return { ...super.otherWeights(), W_skip: [this.config.dOut!, this.config.dIn] }
  }

  override writes(): never {
    throw new MismatchError(
      `writes: the transcoder '${this.label}' has a skip connection, which writes besides its latents. Use a transcoder without.`,
    )
  }

  protected override finish(recons: tf.Tensor, x: tf.Tensor, _undo: Normalized['undo'], pass?: Pass): tf.Tensor {
    return pass ? recons.add(pass.skip(x)) : recons
  }
}

for (const Kind of [Transcoder, JumpReluTranscoder, SkipTranscoder]) tf.serialization.registerClass(Kind)
