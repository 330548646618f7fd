/**
 * Hook points as an argument. A page of a model names a point inline, `at(name, value)`,
 * and what `at` does (nothing, a user's function, an SAE, a cache, a gradient tap) is composed for one run and then
 * forgotten: core/hooks.ts composes it.
 */
import type * as tf from '@tensorflow/tfjs'

/** One place in a forward pass that can be read or replaced. */
export interface HookPoint {
  readonly name: string
  /**
   * Axes, such as `[B,P,H,K]`: B batch, P position, D d_model, H heads, G heads of keys and values, K d_head, M d_mlp,
   * S d_sae, V vocabulary.
   */
  readonly shape: string
  /** True for points that cost something and are computed only when they are asked for. */
  readonly onRequest?: boolean
}

/** The axis letters of a shape: B, P, H, K for `[B,P,H,K]`. */
export const axesOf = (shape: string): string[] => shape.slice(1, -1).split(',')

/**
 * A run's hook point function: `at(name, x)` is x, or what takes its place. Where x is costly it may be a function that
 * computes it, which is not called when the run was given the value.
 */
export interface At {
  <T extends tf.Tensor>(name: string, x: T | (() => T)): T
  /**
   * Whether anybody reads, replaces or gives the value of one of these points; without names, of any point under the
   * prefix. It decides whether a costly point has to be computed, and whether a fused block may run.
   */
  observed(...names: string[]): boolean
  /** Whether a hook function may replace the value of one of these points. */
  replaces(...names: string[]): boolean
  /** The same function with `prefix.` before each name. */
  under(prefix: string): At
}

/** An `at` that nobody listens to. */
export const silent: At = Object.assign(<T extends tf.Tensor>(_: string, x: T | (() => T)): T => valueOf(x), {
  observed: () => false,
  replaces: () => false,
  under: () => silent,
})

const valueOf = <T extends tf.Tensor>(x: T | (() => T)): T => (typeof x === 'function' ? x() : x)
