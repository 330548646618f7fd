/** Replacements that are made when they are needed, so that there may be more of them than memory holds. */
import type * as tf from '@tensorflow/tfjs'
import { ShapeError } from '../../errors/errors.js'
import { axesOf, type HookPoint } from '../../core/hooks.js'
import type { ResolvedEdit } from './edit.js'

/** A tensor for a hook point, made for some of the prompts at a time and freed when their runs are over. */
export interface LazyTensor {
  /** What it is called. A sweep that continues from a file knows it by this. */
  readonly key: string
  /** The activation [b,P,…] of these prompts, by their numbers. The sweep disposes it. */
  make(prompts: readonly number[]): tf.Tensor
}

export function isLazy(value: unknown): value is LazyTensor {
  const { key, make } = (value ?? {}) as Partial<LazyTensor>
  return typeof key === 'string' && typeof make === 'function'
}

/** The lazy tensors that are needed now, of some prompts. Owns them. */
export class MaterializedTensors implements Disposable {
  readonly #prompts: readonly number[]
  readonly #positions: number
  readonly #tensors = new Map<LazyTensor, tf.Tensor>()

  /** @param positions P */
  constructor(prompts: readonly number[], positions: number) {
    this.#prompts = prompts
    this.#positions = positions
  }

  /**
   * Makes what these edits put in or add, and frees what they do not need. Not to be called in a tidy.
   * @throws ShapeError for a tensor that is not of the prompts
   */
  materialize(edits: Iterable<ResolvedEdit>): void {
    const needed = new Map<LazyTensor, HookPoint>()
    for (const { value, point } of edits) if (value.kind === 'lazy') needed.set(value.lazy, point)
    for (const [lazy, tensor] of this.#tensors) {
      if (needed.has(lazy)) continue
      tensor.dispose()
      this.#tensors.delete(lazy)
    }
    for (const [lazy, point] of needed) if (!this.#tensors.has(lazy)) this.#make(lazy, point)
  }

  #make(lazy: LazyTensor, point: HookPoint): void {
    const tensor = lazy.make(this.#prompts)
    this.#tensors.set(lazy, tensor)
    const sizes: Record<string, number> = { B: this.#prompts.length, P: this.#positions }
    const axes = axesOf(point.shape)
    const fits = axes.every((axis, i) => (sizes[axis] ?? tensor.shape[i]) === tensor.shape[i])
    if (tensor.rank === axes.length && fits) return
    throw new ShapeError(
      `sweep: '${lazy.key}' makes a tensor of shape [${tensor.shape}] for '${point.name}'. It must be ${point.shape} with B ${sizes['B']} and P ${sizes['P']}.`,
    )
  }

  /** One that is materialized. */
  get(lazy: LazyTensor): tf.Tensor {
    const tensor = this.#tensors.get(lazy)
    if (!tensor) throw new Error(`sweep: '${lazy.key}' is not materialized`)
    return tensor
  }

  [Symbol.dispose](): void {
    this.materialize([])
  }
}
