/** Keys and values of the positions already seen, so that generation computes one new position a step. */
import * as tf from '@tensorflow/tfjs'
import type { Past } from './architecture.js'
import { compute, type Forms } from './ops/own-gradient.js'

/** Keys and values along positions, without a gradient: generation takes none. As a graph it takes a fifth of what two calls do. */
const joined: Forms = {
  key: 'joined along positions',
  plain: (k, newK, v, newV) => [tf.concat([k!, newK!], 1), tf.concat([v!, newV!], 1)],
  graph: (g, k, newK, v, newV) => [g.join([k!, newK!], 1), g.join([v!, newV!], 1)],
}

/** Grows with every forward pass that is given it. Owns its tensors. */
export class KeyValueCache implements Past {
  readonly #layers = new Map<number, { k: tf.Tensor4D; v: tf.Tensor4D }>()
  #length = 0

  /** Positions of the passes that are over. */
  get length(): number {
    return this.#length
  }

  /** All keys and values [B,past+p,G,K] of a layer, the new ones [B,p,G,K] last. They belong to the cache. */
  join(layer: number, k: tf.Tensor4D, v: tf.Tensor4D): { k: tf.Tensor4D; v: tf.Tensor4D } {
    const before = this.#layers.get(layer)
    const [allK, allV] = before ? compute(joined, [before.k, k, before.v, v]) : [k.clone(), v.clone()]
    const all = { k: tf.keep(allK as tf.Tensor4D), v: tf.keep(allV as tf.Tensor4D) }
    before?.k.dispose()
    before?.v.dispose()
    this.#layers.set(layer, all)
    return all
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
