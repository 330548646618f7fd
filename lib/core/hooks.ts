/**
 * What acts at hook points: users' functions, SAEs, caches and gradient taps, composed into the `at` of one run and then
 * forgotten. transformer/at.ts says what a page sees of it.
 */
import type * as tf from '@tensorflow/tfjs'
import { ArgumentError, ShapeError } from '../errors/errors.js'
import { layerOf } from '../transformer/hook-names.js'
import type { At } from '../transformer/at.js'

export { axesOf, silent, type At, type HookPoint } from '../transformer/at.js'

type BlockPoint =
  | `hook_${'resid_pre' | 'resid_mid' | 'resid_post' | 'attn_out' | 'mlp_out' | 'mlp_in' | 'attn_in'}`
  | `hook_${'q' | 'k' | 'v'}_input`
  | `ln${1 | 2}${'' | '_post'}.hook_${'scale' | 'normalized'}`
  | `attn.hook_${'q' | 'k' | 'v' | 'rot_q' | 'rot_k' | 'z' | 'attn_scores' | 'pattern' | 'result'}`
  | `mlp.hook_${'pre' | 'pre_linear' | 'mid' | 'post'}`
  | `mlp.ln.hook_${'scale' | 'normalized'}`
type PlainPoint =
  | 'hook_embed'
  | 'hook_pos_embed'
  | `blocks.${number}.${BlockPoint}`
  | `ln_final.hook_${'scale' | 'normalized'}`
  | `unembed.hook_${'in' | 'out'}`
type SaePoint = `hook_sae_${'input' | 'acts_pre' | 'acts_post' | 'recons' | 'error' | 'output'}`

/** A hook point's name as TransformerLens spells it. Any string is taken and checked at run time; editors complete these. */
export type HookName = PlainPoint | `${PlainPoint}.${SaePoint}` | (string & {})

/** What a hook function is told beside the activation. */
export interface HookContext {
  readonly name: string
  /** Layer of the block, undefined outside the blocks. */
  readonly layer: number | undefined
}

/**
 * Sees the activation and returns its replacement (same shape), or nothing to leave it as it is. Synchronous; must not
 * dispose its argument. To hold on to the activation, keep a clone: `kept = tf.keep(x.clone())`.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a hook may declare the rank it knows, such as Tensor4D
export type HookFunction = (activation: any, context: HookContext) => tf.Tensor | void

/** Sees the value at the chosen points last; what it returns (the same value) goes on. */
export interface Observer {
  readonly names: ReadonlySet<string>
  see<T extends tf.Tensor>(name: string, x: T): T
}

/** Takes a value's place: an SAE at its hook point, whose own points are `at`'s. */
export type SpliceFunction = (x: tf.Tensor, at: At) => tf.Tensor

/** Everything that acts on one forward pass. At a point: hook functions in their order, then observers, then the SAE. */
export interface Taps {
  /** Values known beforehand, which are not computed where the model lets a point be given; hooks still act on them. */
  readonly given?: ReadonlyMap<string, tf.Tensor>
  readonly hooks: ReadonlyMap<string, readonly HookFunction[]>
  readonly splices: ReadonlyMap<string, SpliceFunction>
  readonly observers: readonly Observer[]
}

export const noTaps: Taps = { hooks: new Map(), splices: new Map(), observers: [] }

/** Composes the taps of one run into its `at`. */
export function makeAt(taps: Taps, prefix = ''): At {
  const at = <T extends tf.Tensor>(name: string, x: T | (() => T)): T => pass(taps, prefix + name, x)
  return Object.assign(at, {
    observed: (...names: string[]) =>
      names.length > 0 ? names.some((name) => isObserved(taps, prefix + name)) : hasPrefix(taps, prefix),
    replaces: (...names: string[]) => names.some((name) => taps.hooks.has(prefix + name)),
    under: (more: string) => makeAt(taps, `${prefix}${more}.`),
  })
}

function isObserved({ given, hooks, splices, observers }: Taps, name: string): boolean {
  return hooks.has(name) || splices.has(name) || given?.has(name) === true || observers.some((o) => o.names.has(name))
}

function hasPrefix({ given, hooks, splices, observers }: Taps, prefix: string): boolean {
  const lists = [given?.keys() ?? [], hooks.keys(), splices.keys(), ...observers.map(({ names }) => names)]
  for (const names of lists) for (const name of names) if (name.startsWith(prefix)) return true
  return false
}

function pass<T extends tf.Tensor>(taps: Taps, name: string, x: T | (() => T)): T {
  let value = typeof x === 'function' ? ((taps.given?.get(name) as T | undefined) ?? x()) : x
  for (const hook of taps.hooks.get(name) ?? []) value = applyHook(name, value, hook)
  for (const observer of taps.observers) if (observer.names.has(name)) value = observer.see(name, value)
  const splice = taps.splices.get(name)
  return splice ? (splice(value, makeAt(taps, `${name}.`)) as T) : value
}

/** What a hook function leaves of the activation at a point, checked. @throws ArgumentError, ShapeError */
export function applyHook<T extends tf.Tensor>(name: string, x: T, hook: HookFunction): T {
  const result: unknown = hook(x, { name, layer: layerOf(name) })
  if (result === undefined) return x
  if (result instanceof Promise) {
    result.catch(() => undefined) // what it fails with later is of no interest any more
    throw new ArgumentError(
      `hook at '${name}': the function returned a promise. Hooks are synchronous: return a tensor.`,
    )
  }
  const tensor = result as tf.Tensor
  const sameShape = tensor?.shape?.length === x.rank && tensor.shape.every((n, i) => n === x.shape[i])
  if (!sameShape) {
    const got = Array.isArray(tensor?.shape) ? `shape [${tensor.shape}]` : typeof result
    throw new ShapeError(
      `hook at '${name}': the function returned ${got}. It must return a tensor of shape [${x.shape}].`,
    )
  }
  if (tensor.isDisposed || tensor.dtype !== x.dtype) {
    const got = tensor.isDisposed ? 'a tensor that is disposed' : `a tensor of ${tensor.dtype}`
    throw new ShapeError(`hook at '${name}': the function returned ${got}. It must return a live tensor of ${x.dtype}.`)
  }
  return tensor as T
}
