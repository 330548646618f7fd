/** Keys and values of the positions already seen, so that generation computes one new position a step. */
import * as tf from '@tensorflow/tfjs'
import { compute, defineOp, type Names } from '../ops/op.js'
import type { KeysValues, Past, Traits } from './architecture.js'

/** Keys and values along positions: earlier ones, then the new ones. No gradient is taken through a past. */
export const joinPastOp = defineOp<Names<'k' | 'newK' | 'v' | 'newV'>, Names<'k' | 'v'>>('join past', () => ({
  opByOp: ({ k, newK, v, newV }) => ({ k: tf.concat([k, newK], 1), v: tf.concat([v, newV], 1) }),
  graph: (g, { k, newK, v, newV }) => ({ k: g.join([k, newK], 1), v: g.join([v, newV], 1) }),
}))

/** A layer's keys and values after those of the past, which is given all of them. */
export function joinPast(past: Past | undefined, layer: number, fresh: KeysValues): KeysValues {
  const earlier = past?.earlier(layer)
  const all = earlier
    ? (compute(joinPastOp({}), { k: earlier.k, newK: fresh.k, v: earlier.v, newV: fresh.v }) as KeysValues)
    : fresh
  past?.keep(layer, all)
  return all
}

/** The points that show a layer's new keys and values as `joinPast` is given them. */
export function keyAndValuePoints(layer: number, { positions }: Traits): { readonly k: string; readonly v: string } {
  const attn = `blocks.${layer}.attn`
  return { k: `${attn}.${positions === 'rotary' ? 'hook_rot_k' : 'hook_k'}`, v: `${attn}.hook_v` }
}

/** The same tensors once more, through all tidies. The caller owns them. */
export function keptClones({ k, v }: KeysValues): KeysValues {
  return { k: tf.keep(k.clone()), v: tf.keep(v.clone()) }
}

/** Grows with every forward pass that is given it. Owns its tensors. */
export class KeyValueCache implements Past {
  readonly #layers = new Map<number, KeysValues>()
  #length = 0

  /** Positions of the passes that are over. */
  get length(): number {
    return this.#length
  }

  earlier(layer: number): KeysValues | undefined {
    return this.#layers.get(layer)
  }

  keep(layer: number, all: KeysValues): void {
    const before = this.#layers.get(layer)
    this.#layers.set(layer, keptClones(all))
    if (before) tf.dispose([before.k, before.v])
  }

  /** Called when a forward pass is over: its positions are now part of the past. */
  advance(positions: number): void {
    this.#length += positions
  }

  dispose(): void {
    for (const { k, v } of this.#layers.values()) tf.dispose([k, v])
    this.#layers.clear()
  }
}
