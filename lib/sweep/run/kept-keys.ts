/** Keys and values of a clean run, which rows that start at a later position read. */
import * as tf from '@tensorflow/tfjs'
import type { KeysValues, Past } from '../../transformer/architecture.js'
import { keptClones } from '../../transformer/kv-cache.js'

/** Keeps each layer's keys and values. Owns them. */
export class KeptKeys implements Past, Disposable {
  readonly length = 0
  readonly #layers = new Map<number, KeysValues>()

  earlier(): undefined {}

  keep(layer: number, all: KeysValues): void {
    this.#layers.set(layer, keptClones(all))
  }

  /** Those of a layer, [B,P,G,K]. */
  get(layer: number): KeysValues {
    const kept = this.#layers.get(layer)
    if (!kept) throw new Error(`sweep: the clean run kept no keys and values of layer ${layer}`)
    return kept
  }

  [Symbol.dispose](): void {
    for (const { k, v } of this.#layers.values()) tf.dispose([k, v])
  }
}

/** Keys and values of the clean run before the first position of rows. */
export class RowsPast implements Past {
  readonly length: number
  readonly #kept: KeptKeys
  readonly #indices: tf.Tensor1D

  /** @param indices of each row's prompt in the clean run; @param length positions before the rows' first */
  constructor(kept: KeptKeys, indices: tf.Tensor1D, length: number) {
    this.#kept = kept
    this.#indices = indices
    this.length = length
  }

  earlier(layer: number): KeysValues {
    const { k, v } = this.#kept.get(layer)
    const before = (x: tf.Tensor4D) => tf.gather(x.slice<tf.Tensor4D>([0, 0], [-1, this.length]), this.#indices)
    return { k: before(k), v: before(v) }
  }

  keep(): void {} // nobody asks for them again
}
