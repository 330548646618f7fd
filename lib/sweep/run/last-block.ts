/**
 * The last block where one position is read alone: there the earlier ones are needed for their keys and values, and not
 * for queries, MLP and residual stream.
 */
import * as tf from '@tensorflow/tfjs'
import type { Architecture, KeysValues, ModelConfig, Past } from '../../transformer/architecture.js'
import { joinPast, keptClones, keyAndValuePoints } from '../../transformer/kv-cache.js'
import type { Until } from '../../transformer/until.js'

/** A part of the positions of a pass. */
export interface Part {
  /** Counted from the pass's own first position. */
  readonly begin: number
  readonly count: number
}

/** A run of the block. */
export interface BlockRun {
  /** What enters it at these positions, [R,count,D]. */
  readonly resid: tf.Tensor3D
  readonly part: Part
  readonly past: Past | undefined
  /** Where the run may end. */
  readonly until: Until | undefined
}

export interface LastBlock {
  readonly model: { readonly architecture: Architecture; readonly config: ModelConfig }
  /** What enters it, [R,Q,D]. */
  readonly resid: tf.Tensor3D
  readonly past: Past | undefined
}

/**
 * The residual stream after the last block at the last position alone, [R,1,D]. `run` is called twice: its first run ends
 * at its keys and values.
 */
export function lastBlock(
  { model, resid, past }: LastBlock,
  run: (block: BlockRun) => tf.Tensor3D | undefined,
): tf.Tensor3D {
  const before = resid.shape[1] - 1
  const part = { begin: before, count: 1 }
  return tf.tidy(() => {
    if (before === 0) return run({ resid, part, past, until: undefined }) as tf.Tensor3D
    using earlier = earlierKeys({ model, past, resid: resid.slice([0, 0, 0], [-1, before, -1]) }, run)
    const last = resid.slice<tf.Tensor3D>([0, before, 0], [-1, 1, -1])
    return run({ resid: last, part, past: earlier, until: undefined }) as tf.Tensor3D
  })
}

/** Keys and values of the positions that enter the block, after those of the past. */
function earlierKeys({ model, resid, past }: LastBlock, run: (block: BlockRun) => unknown): EarlierKeys {
  const { architecture, config } = model
  const [layer, count] = [config.nLayers - 1, resid.shape[1]]
  const points = keyAndValuePoints(layer, architecture.traits(config))
  const found = new Map<string, tf.Tensor>()
  const reached = (name: string, x: tf.Tensor) => void found.set(name, tf.keep(x.clone()))
  try {
    run({ resid, part: { begin: 0, count }, past, until: { names: [points.k, points.v], reached } })
    const all = joinPast(past, layer, { k: found.get(points.k), v: found.get(points.v) } as KeysValues)
    return new EarlierKeys((past?.length ?? 0) + count, all)
  } finally {
    tf.dispose([...found.values()])
  }
}

/** Keys and values of one layer. Owns its tensors. */
class EarlierKeys implements Past, Disposable {
  readonly length: number
  readonly #kept: KeysValues

  constructor(length: number, all: KeysValues) {
    this.length = length
    this.#kept = keptClones(all)
  }

  earlier(): KeysValues {
    return this.#kept
  }

  keep(): void {} // nobody asks for them again

  [Symbol.dispose](): void {
    tf.dispose([this.#kept.k, this.#kept.v])
  }
}
