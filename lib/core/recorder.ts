/** Keeping what passes hook points during a run. */
import * as tf from '@tensorflow/tfjs'
import { axisOfPositions } from './axes.js'
import type { HookPoint, Observer } from './hooks.js'
import { sliceRange, type PositionSlice } from './positions.js'

/** Keeps a copy-free clone of what passes the chosen points; only some positions of it when asked. */
export class Recorder implements Observer {
  readonly names: ReadonlySet<string>
  /** What is kept, in firing order. It belongs to the recorder until someone takes it over. */
  readonly kept = new Map<string, tf.Tensor>()
  readonly #points: ReadonlyMap<string, HookPoint>
  readonly #positions: PositionSlice | undefined

  constructor(names: readonly string[], points: readonly HookPoint[], positions?: PositionSlice) {
    this.names = new Set(names)
    this.#points = new Map(points.map((p) => [p.name, p]))
    this.#positions = positions
  }

  see<T extends tf.Tensor>(name: string, x: T): T {
    this.kept.get(name)?.dispose() // a point that fires more than once keeps its last value, as in TransformerLens
    this.kept.set(name, tf.keep(this.#sliced(name, x)))
    return x
  }

  #sliced(name: string, x: tf.Tensor): tf.Tensor {
    if (this.#positions === undefined) return x.clone()
    const axis = axisOfPositions(this.#points.get(name)!)
    const { begin, size } = sliceRange(this.#positions, x.shape[axis]!)
    return x.slice(
      x.shape.map((_, i) => (i === axis ? begin : 0)),
      x.shape.map((n, i) => (i === axis ? size : n)),
    )
  }

  dispose(): void {
    for (const tensor of this.kept.values()) tensor.dispose()
    this.kept.clear()
  }
}
