/** Replacements that are made when they are needed, so that there may be more of them than memory holds. */
import type * as tf from '@tensorflow/tfjs'
import { ShapeError } from '../errors/errors.js'
import { axesOf, type HookPoint } from '../core/hooks.js'
import { range } from '../stats/range.js'
import type { ResolvedEdit } from './edits.js'

/** A tensor for a hook point, made for some of the prompts at a time and freed when their runs are over. */
export interface Made {
  /** What it is called. A sweep that goes on from a file knows it by this. */
  readonly key: string
  /** The activation [b,P,…] of these prompts, by their numbers. */
  make(prompts: readonly number[]): tf.Tensor
}

export function isMade(value: unknown): value is Made {
  const { key, make } = (value ?? {}) as Partial<Made>
  return typeof key === 'string' && typeof make === 'function'
}

/** Those that are needed now, of some prompts. Owns the tensors. */
export class MadeTensors implements Disposable {
  readonly #prompts: readonly number[]
  readonly #positions: number
  readonly #tensors = new Map<Made, tf.Tensor>()

  /** @param positions P */
  constructor(prompts: readonly number[], positions: number) {
    this.#prompts = prompts
    this.#positions = positions
  }

  /**
   * Makes what these edits put in or add, and frees what they do not need. Not to be called in a tidy.
   * @throws ShapeError for a tensor that is not of the prompts
   */
  hold(edits: Iterable<ResolvedEdit>): void {
    const needed = new Map<Made, HookPoint>()
    for (const { value, point } of edits) if (value.kind === 'made') needed.set(value.made, point)
    for (const [made, tensor] of this.#tensors) {
      if (needed.has(made)) continue
      tensor.dispose()
      this.#tensors.delete(made)
    }
    for (const [made, point] of needed) if (!this.#tensors.has(made)) this.#make(made, point)
  }

  #make(made: Made, point: HookPoint): void {
    const tensor = made.make(this.#prompts)
    this.#tensors.set(made, tensor)
    const sizes: Record<string, number> = { B: this.#prompts.length, P: this.#positions }
    const axes = axesOf(point.shape)
    if (tensor.rank === axes.length && range(tensor.rank).every((i) => (sizes[axes[i]!] ?? tensor.shape[i]) === tensor.shape[i])) return // prettier-ignore
    throw new ShapeError(
      `sweep: '${made.key}' makes a tensor of shape [${tensor.shape}] for '${point.name}'. It must be ${point.shape} with B ${sizes['B']} and P ${sizes['P']}.`,
    )
  }

  get(made: Made): tf.Tensor {
    return this.#tensors.get(made)!
  }

  [Symbol.dispose](): void {
    this.hold([])
  }
}
