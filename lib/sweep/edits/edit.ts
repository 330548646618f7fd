/** Interventions as data: what is changed, where, and to what. */
import type * as tf from '@tensorflow/tfjs'
import type { Activations } from '../../core/activations.js'
import type { HookFunction, HookPoint } from '../../core/hooks.js'
import type { Site } from '../../core/sites.js'
import type { OptionNames } from '../../errors/options.js'
import type { LazyTensor } from './lazy-tensors.js'

/**
 * What takes an activation's place: zeros; its mean over all real positions of the source prompts; its value on the
 * source prompt of the same number; the same, but without a source on another of the prompts, drawn with the seed
 * (`resample`); a number; numbers of one position (of one unit, where units are given); a tensor of the whole activation
 * [B,P,…], or one that is made when it is needed; another run's cache.
 */
export type Replacement =
  'zero' | 'mean' | 'source' | 'resample' | number | ArrayLike<number> | tf.Tensor | LazyTensor | Activations

/**
 * A change at a site, which may lie inside SAEs (`….hook_sae_acts_post`, `….hook_sae_error`): exactly one of `to`, `add`
 * and `by`.
 */
export interface Edit extends Site {
  /** Positions, negative ones from a prompt's last real token; queries at scores and patterns. @default all */
  readonly position?: number | readonly number[]
  /** A column of the padded batch instead: the same place in every prompt, padding counted. */
  readonly column?: number
  readonly to?: Replacement
  /** What is added: steering. */
  readonly add?: number | ArrayLike<number> | tf.Tensor | LazyTensor
  /** Any hook function: it sees the whole batch of prompts, in a run of its own from this layer on. */
  readonly by?: HookFunction
  /** @default the hook point, units, positions and what is done there */
  readonly label?: string
}

/** The names of an edit's fields. */
export const editFields: OptionNames<Edit> = {
  ...{ hook: true, unit: true, position: true, column: true },
  ...{ to: true, add: true, by: true, label: true },
}

/** An intervention that changes nothing. */
export interface Nothing {
  readonly nothing: true
  /** @default 'nothing' */
  readonly label?: string
}

/**
 * One edit, several made in one run, or nothing. Of edits at one place the later one acts on what the earlier one left.
 */
export type Intervention = Edit | readonly Edit[] | Nothing

/** The edits of an intervention. */
export function editsOf(intervention: Intervention): readonly Edit[] {
  if (isNothing(intervention)) return []
  return [intervention].flat() as readonly Edit[]
}

export function isNothing(intervention: Intervention): intervention is Nothing {
  return (intervention as Partial<Nothing> | undefined)?.nothing === true
}

/** What an edit puts in or adds, looked up. */
export type EditValue =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'vector'; readonly values: ArrayLike<number> }
  | { readonly kind: 'tensor'; readonly tensor: tf.Tensor }
  | { readonly kind: 'lazy'; readonly lazy: LazyTensor }
  | { readonly kind: 'mean' | 'resample' | 'source' }

/** An edit with everything looked up. */
export interface ResolvedEdit {
  readonly point: HookPoint
  /** −1 before the blocks, the number of layers after them. */
  readonly layer: number
  readonly units: readonly number[] | undefined
  /** For each prompt; undefined for all. */
  readonly positions: readonly (readonly number[])[] | undefined
  readonly mode: 'set' | 'add'
  readonly value: EditValue
}

/** A hook function of the user's, and the hook point it acts at. */
export interface EditFunction {
  readonly name: string
  readonly hook: HookFunction
}

export interface ResolvedIntervention {
  readonly edits: readonly ResolvedEdit[]
  /** Functions of the user, which only a run of the whole batch can serve. */
  readonly functions: readonly EditFunction[]
}
