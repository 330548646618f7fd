/**
 * The last block where one position is read alone: there the earlier ones are needed for their keys and values, and not
 * for queries, MLP and residual stream.
 */
import * as tf from '@tensorflow/tfjs'
import type { KeysValues, Past } from '../../transformer/architecture.js'
import { keptClones } from '../../transformer/kv-cache.js'

/** A part of the positions of a pass. */
export interface Part {
  /** Counted from the pass's own first position. */
  readonly begin: number
  readonly count: number
}

/** Runs the block for a part of the positions. */
export type RunBlock = (resid: tf.Tensor3D, part: Part, past: Past | undefined) => tf.Tensor3D

/**
 * The residual stream behind the last block at the last position alone, [R,1,D], of what enters it, [R,Q,D]. `run` is
 * called twice: its first pass ends as soon as it has handed over its keys and values.
 */
export function lastBlock(resid: tf.Tensor3D, past: Past | undefined, run: RunBlock): tf.Tensor3D {
  const count = resid.shape[1] - 1
  if (count === 0) return run(resid, { begin: 0, count: 1 }, past)
  using keys = new EarlierKeys(past, count)
  return tf.tidy(() => {
    keys.take((own) => run(resid.slice([0, 0, 0], [-1, count, -1]), { begin: 0, count }, own))
    return run(resid.slice([0, count, 0], [-1, 1, -1]), { begin: count, count: 1 }, keys)
  })
}

/** Ends a pass that was run for its keys and values. */
class Enough extends Error {}

/** Keys and values of one layer in front of the last position: those of a past, and of a pass of its own. */
class EarlierKeys implements Past, Disposable {
  readonly length: number
  readonly #past: Past | undefined
  #kept: KeysValues | undefined

  constructor(past: Past | undefined, count: number) {
    this.length = (past?.length ?? 0) + count
    this.#past = past
  }

  /** Runs a pass up to its keys and values. */
  take(pass: (past: Past) => void): void {
    const enough = new Enough()
    const keep = (layer: number, all: KeysValues): never => {
      this.#past?.keep(layer, all)
      this.#kept = keptClones(all)
      throw enough
    }
    const earlier = (layer: number) => this.#past?.earlier(layer)
    try {
      pass({ length: this.#past?.length ?? 0, earlier, keep, endsPass: true })
    } catch (error) {
      if (error !== enough) throw error
    }
  }

  earlier(): KeysValues {
    return this.#kept!
  }

  keep(): void {} // nobody asks for them again

  [Symbol.dispose](): void {
    tf.dispose([this.#kept?.k, this.#kept?.v].filter((x) => x !== undefined))
  }
}
