/** Edits by what they do: `zero(head(9, 6))`, `patch(point('resid_pre', 7))`. Each is plain data. */
import type * as tf from '@tensorflow/tfjs'
import type { Site } from '../../core/sites.js'
import type { Edit, Nothing, Replacement } from './edit.js'
import type { LazyTensor } from './lazy-tensors.js'

/** Where in the prompts an edit acts, and what results call it. */
export type EditPlace = Pick<Edit, 'position' | 'column' | 'label'>

/**
 * Puts zeros in.
 *
 * @example
 * zero(head(9, 6)) // { hook: 'blocks.9.attn.hook_z', unit: 6, to: 'zero' }
 * zero(head(9, 6), { position: -1 })
 */
export function zero(site: Site, place: EditPlace = {}): Edit {
  return { ...site, ...place, to: 'zero' }
}

/**
 * Puts in the mean over all real positions of the sweep's source prompts, or without a source of the prompts.
 *
 * @example
 * mean(neurons(3, 14))
 */
export function mean(site: Site, place: EditPlace = {}): Edit {
  return { ...site, ...place, to: 'mean' }
}

/**
 * Puts in the value on the source prompt of the same number, at the same position; without a source on another of the
 * prompts, drawn with the sweep's `seed`.
 *
 * @example
 * resample(point('mlp_out', 3))
 */
export function resample(site: Site, place: EditPlace = {}): Edit {
  return { ...site, ...place, to: 'resample' }
}

/**
 * Puts in an activation: that of the sweep's source prompts, or another run's cache, a tensor [B,P,…], one that is made
 * when it is needed, a number, or the numbers of one position (of one unit, at a site with units).
 *
 * @example
 * patch(point('resid_pre', 7)) // from the sweep's source
 * patch(head(9, 6), cache)
 * patch(latents(sae, 3), 2.5, { position: -1 })
 */
export function patch(site: Site, value: Replacement = 'source', place: EditPlace = {}): Edit {
  return { ...site, ...place, to: value }
}

/**
 * Adds a number, the numbers of one position (of one unit, at a site with units) or a tensor [B,P,…]: steering.
 *
 * @example
 * add(point('resid_post', 5), direction, { position: -1 })
 */
export function add(
  site: Site,
  value: number | ArrayLike<number> | tf.Tensor | LazyTensor,
  place: EditPlace = {},
): Edit {
  return { ...site, ...place, add: value }
}

/**
 * An intervention that changes nothing: its effect is 0, and it is not run. It keeps a place in a table, such as that of
 * a sender and a receiver that no path connects.
 */
export const nothing: Nothing = { nothing: true }
