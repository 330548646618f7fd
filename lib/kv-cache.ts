/** Keys and values of the positions already seen, so that generation computes one new position a step. */
import * as tf from '@tensorflow/tfjs'
import type { Past } from './architecture.js'

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
    const all = before
      ? { k: tf.keep(tf.concat([before.k, k], 1)), v: tf.keep(tf.concat([before.v, v], 1)) }
      : { k: tf.keep(k.clone()), v: tf.keep(v.clone()) }
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
