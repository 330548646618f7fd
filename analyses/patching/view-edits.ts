/**
 * Views with one thing changed at a position of each prompt: an activation replaced, latents removed, an SAE's error
 * left out. They are made for a batch of tokens and run no other. B prompts · P positions
 */
import * as tf from '@tensorflow/tfjs'
import { axesOf, type HookName } from '../../lib/core/hooks.js'
import type { Site } from '../../lib/core/sites.js'
import { checkOptions } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { saeWithError } from '../attached-saes.js'
import { latentsOfSite, placesOf } from '../sites.js'

/** Where a view is changed. */
export interface ViewEditOptions {
  /** The column of each prompt's position [B], as `positionsAt` gives it. @default all positions */
  readonly positions?: readonly number[]
}

/** Where a view is changed, and to what. */
export interface ReplacedOptions extends ViewEditOptions {
  /**
   * One vector (such as a mean) of the shape of the activation's last axes, or of a unit where some are named.
   * @default zeros
   */
  readonly by?: ArrayLike<number>
}

/** Where an SAE's error is left out. */
export interface WithoutErrorOptions extends ViewEditOptions {
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * The view with an activation, or some units of it, replaced by zeros or by one vector.
 * @example withReplaced(model, point('post', 3), { positions: positionsAt(tokens, -2) })
 * @throws ArgumentError, HookError for a place that the view does not have
 */
export function withReplaced(view: HookedModel, site: Site, options: ReplacedOptions = {}): HookedModel {
  checkOptions('withReplaced', options, { positions: true, by: true })
  const { positions, by } = options
  const units = placesOf('withReplaced', view, site).flatMap(({ unit }) => unit ?? [])
  const axis = unitAxis(view, site)
  const replace = (x: tf.Tensor) =>
    tf.tidy(() => {
      const shape = x.shape.map((size, i) => (i < 2 || (units.length > 0 && i === axis) ? 1 : size))
      const value = by ? tf.tensor(Float32Array.from(by), shape) : tf.scalar(0)
      return replacedAt(x, value, { positions, units, axis })
    })
  return view.withHooks({ [site.hook]: replace })
}

/**
 * The view with latents of its SAE at 0: with its error term, that takes away what they write and nothing else.
 * @example withoutLatents(view, latents(sae, 3, 14), { positions: positionsAt(tokens, -2) })
 * @throws ArgumentError, HookError for latents that the view does not have
 */
export function withoutLatents(view: HookedModel, site: Site, options: ViewEditOptions = {}): HookedModel {
  checkOptions('withoutLatents', options, { positions: true })
  latentsOfSite('withoutLatents', view, site) // refuses what is none
  return withReplaced(view, site, options)
}

/**
 * The view with its SAE's error left out: the reconstruction takes the activation's place.
 * @example withoutError(view, { positions: positionsAt(tokens, -2) })
 * @throws ArgumentError where the SAE is attached without its error term, HookError where there is none
 */
export function withoutError(view: HookedModel, options: WithoutErrorOptions = {}): HookedModel {
  checkOptions('withoutError', options, { positions: true, hook: true })
  const { hook, positions } = options
  const { writesAt } = saeWithError('withoutError', view, hook)
  return withReplaced(view, { hook: `${writesAt}.hook_sae_error` }, { positions })
}

/** The axis of heads, latents or neurons; −1 where there is none. */
function unitAxis({ hookPoints }: HookedModel, { hook }: Site): number {
  const { shape } = hookPoints.find(({ name }) => name === hook) ?? { shape: '' }
  return axesOf(shape).findIndex((axis) => 'HGSM'.includes(axis))
}

/** A part of an activation: columns of prompts, all without; units along an axis, all without. */
export interface ActivationPart {
  readonly positions?: readonly number[]
  readonly units?: readonly number[]
  readonly axis?: number
}

/** x [B,P,…] with a value, which broadcasts to it, in a part of it. */
export function replacedAt(
  x: tf.Tensor,
  value: tf.Tensor,
  { positions, units = [], axis = -1 }: ActivationPart,
): tf.Tensor {
  return tf.tidy(() => {
    const ones = x.shape.map(() => 1)
    const [batch = 1, length = 1] = x.shape
    let part = tf.ones(ones)
    if (positions) {
      const columns = tf.oneHot(tf.tensor1d([...positions], 'int32'), length)
      part = part.mul(columns.reshape([batch, length, ...ones.slice(2)]))
    }
    if (units.length > 0) {
      const size = x.shape[axis] ?? 1
      const chosen = tf.oneHot(tf.tensor1d([...units], 'int32'), size).max(0)
      part = part.mul(chosen.reshape(ones.map((_, i) => (i === axis ? size : 1))))
    }
    return tf.where(part.toBool(), value, x)
  })
}
