/** Hook points inside an SAE, by the names SAELens gives them, and how a reconstruction takes a value's place. */
import type * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../lib/errors/errors.js'
import { silent, type At, type HookPoint } from '../lib/core/hooks.js'
import { detached, straightThrough } from '../lib/ops/stop-gradient.js'
import { outputPoint, type SpliceOptions } from '../lib/core/splice.js'

/** From the input to the reconstruction. */
export const innerPoints: readonly HookPoint[] = [
  { name: 'hook_sae_input', shape: '[B,P,D]' },
  { name: 'hook_sae_acts_pre', shape: '[B,P,S]' },
  { name: 'hook_sae_acts_post', shape: '[B,P,S]' },
  { name: 'hook_sae_recons', shape: '[B,P,D]' },
]
const errorPoint = 'hook_sae_error'

/** Where the reconstruction takes the value's place. */
export function outputPoints(errorTerm: boolean, shape: string): HookPoint[] {
  return [...(errorTerm ? [{ name: errorPoint, shape }] : []), { name: outputPoint, shape }]
}

/** @throws ArgumentError for an unknown way of gradients, or one that asks for the error term. */
export function checkSpliceOptions({ errorTerm = false, errorGradient = 'detach' }: SpliceOptions): void {
  if (errorGradient !== 'detach' && errorGradient !== 'passThrough') {
    throw new ArgumentError(
      `withSaes: errorGradient is '${String(errorGradient)}'. It must be 'detach' or 'passThrough'.`,
    )
  }
  if (errorGradient === 'passThrough' && !errorTerm) {
    throw new ArgumentError(
      "withSaes: errorGradient 'passThrough' is about the error term. Set errorTerm: true as well.",
    )
  }
}

/** A value of the model, and what an SAE makes of it. */
interface Spliced {
  readonly value: tf.Tensor
  readonly recons: tf.Tensor
  /** What the SAE makes without hooks; undefined when nothing was edited, so that `recons` is that. */
  readonly clean: (() => tf.Tensor) | undefined
}

/**
 * What takes a value's place: the reconstruction, and with the error term `value − clean`. Hooks inside the SAE change
 * what comes out, and the error does not undo it.
 */
export function inPlaceOf({ value, recons, clean }: Spliced, at: At, options: SpliceOptions): tf.Tensor {
  const { errorTerm = false, errorGradient = 'detach' } = options
  if (!errorTerm) return at(outputPoint, recons)
  const error = clean ? detached(() => value.sub(clean()), value) : detached(() => value.sub(recons), value, recons)
  const output = recons.add(at(errorPoint, error))
  return at(outputPoint, errorGradient === 'passThrough' ? straightThrough(output, value) : output)
}

/** Whether a hook may change what the SAE computes before its reconstruction. */
export function isEdited(at: At): boolean {
  return at !== silent && innerPoints.some((point) => at.replaces(point.name))
}
