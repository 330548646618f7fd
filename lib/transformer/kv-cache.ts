/** Keys and values of the positions already seen, so that generation computes one new position a step. */
import * as tf from '@tensorflow/tfjs'
import type { KeysValues, Past } from './architecture.js'
import { compute, type Forms } from '../ops/custom-gradient.js'

/** Keys and values along positions: k, the new ones, v, the new ones. Without a gradient: none is taken through a past. */
export const joinForms: Forms = {
  key: 'joined along positions',
  plain: (k, newK, v, newV) => [tf.concat([k!, newK!], 1), tf.concat([v!, newV!], 1)],
  graph: (g, k, newK, v, newV) => [g.join([k!, newK!], 1), g.join([v!, newV!], 1)],
}

/** A layer's keys and values with those of the past in front, which is given all of them. */
export function joinPast(past: Past | undefined, layer: number, fresh: KeysValues): KeysValues {
  const earlier = past?.earlier(layer)
  const [k, v] = earlier ? compute(joinForms, [earlier.k, fresh.k, earlier.v, fresh.v]) : [fresh.k, fresh.v]
  const all = { k, v } as KeysValues
  past?.keep(layer, all)
  return all
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
