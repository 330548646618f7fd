/** The tensors that replace activations: means, other prompts' activations, the caller's own. */
import * as tf from '@tensorflow/tfjs'
import { axisOfPositions, featureShape } from '../../core/axes.js'
import { axesOf, type HookPoint } from '../../core/hooks.js'
import type { ModelConfig } from '../../transformer/architecture.js'
import { parseHook } from '../../transformer/hook-names.js'
import type { RowsAt } from '../subject.js'
import { type ResolvedEdit } from './edit.js'
import { unitAxis } from '../../core/axes.js'
import { MaterializedTensors } from './lazy-tensors.js'
import type { SourceActivations } from './source-activations.js'

/** A replacement [B,P,…] whose first row is prompt `first`; its axes of length 1 stand for all. */
export interface PromptsTensor {
  readonly tensor: tf.Tensor
  readonly first: number
}

/** What is known before any intervention is run. */
export interface KnownValues {
  readonly config: ModelConfig
  /** Means by hook point, which others dispose. */
  readonly means: ReadonlyMap<string, tf.Tensor>
  /** What other prompts have, which is disposed with the values. */
  readonly sources: SourceActivations
}

/** Replacements for some of the prompts. Owns what was taken from sources, and lazy tensors while they are needed. */
export class EditValues implements Disposable {
  readonly #known: KnownValues
  readonly #first: number
  readonly #lazy: MaterializedTensors

  /** @param positions P */
  constructor(known: KnownValues, prompts: readonly number[], positions: number) {
    this.#known = known
    this.#first = prompts[0] ?? 0
    this.#lazy = new MaterializedTensors(prompts, positions)
  }

  /** Makes the lazy tensors that these edits need, and frees the others. Not to be called in a tidy. */
  materialize(edits: Iterable<ResolvedEdit>): void {
    this.#lazy.materialize(edits)
  }

  /** Whether something is taken from other prompts at a point. */
  readonly isSourced = (name: string): boolean =>
    this.#known.sources.has('source', name) || this.#known.sources.has('resample', name)

  /** What the source prompts have, if anything is taken from them. */
  ofSource(name: string | undefined): tf.Tensor | undefined {
    return name !== undefined && this.#known.sources.has('source', name)
      ? this.#known.sources.get('source', name)
      : undefined
  }

  /** The tensor that an edit puts in or adds, where it is one. */
  tensorOf({ point: { name }, value }: ResolvedEdit): PromptsTensor {
    switch (value.kind) {
      case 'mean':
        return { tensor: this.#known.means.get(name)!, first: 0 }
      case 'tensor':
        return { tensor: value.tensor, first: 0 }
      case 'lazy':
        return { tensor: this.#lazy.get(value.lazy), first: this.#first }
      case 'source':
      case 'resample':
        return { tensor: this.#known.sources.get(value.kind, name), first: this.#first }
      default:
        throw new Error(`sweep: a ${value.kind} is no tensor`)
    }
  }

  /** Each row's replacement at its prompt and positions: [R|1,Q|1,…]. */
  rows(each: readonly PromptsTensor[], point: HookPoint, rows: RowsAt): tf.Tensor {
    const starts = each.flatMap(({ tensor }, r) => (tensor === each[r - 1]?.tensor ? [] : [r]))
    const pieces = starts.map((begin, i) => {
      const prompts = rows.prompts.slice(begin, starts[i + 1])
      return { rows: prompts.length, tensor: promptRows(each[begin]!, point, { ...rows, prompts }) }
    })
    const [first] = pieces
    if (first && pieces.length === 1) return first.tensor
    return tf.concat(pieces.map((piece) => expanded(piece.tensor, point, piece.rows, rows.count)))
  }

  /** The axes after [R,1] of numbers of one position, or of one unit there. */
  vectorShape(point: HookPoint, size: number, ofUnit: boolean): number[] {
    const features = axesOf(point.shape).length - 2
    if (features === 1) return [ofUnit ? 1 : size]
    if (ofUnit) return [...new Array<number>(unitAxis(point) - 1).fill(1), size]
    const { nHeads } = this.#known.config
    return parseHook(point.name).sae === undefined ? featureShape(point, this.#known.config) : [nHeads, size / nHeads]
  }

  [Symbol.dispose](): void {
    this.#known.sources[Symbol.dispose]()
    this.#lazy[Symbol.dispose]()
  }
}

/** A tensor whose axes of length 1 for rows and positions are repeated. */
function expanded(x: tf.Tensor, point: HookPoint, rows: number, count: number): tf.Tensor {
  const axis = axisOfPositions(point)
  const times = x.shape.map((n, i) => (i === 0 ? rows / n : i === axis ? count / n : 1))
  return times.every((n) => n === 1) ? x : tf.tile(x, times)
}

/** Rows of a tensor [B,P,…] by prompt, from a position on. Axes of length 1 stay. */
export function promptRows({ tensor, first }: PromptsTensor, point: HookPoint, rows: RowsAt): tf.Tensor {
  const { prompts, begin, count } = rows
  const axis = axisOfPositions(point)
  const isForAll = tensor.shape[axis] === 1 && begin + count > 1
  const some = isForAll
    ? tensor
    : tensor.slice(
        tensor.shape.map((_, i) => (i === axis ? begin : 0)),
        tensor.shape.map((n, i) => (i === axis ? count : n)),
      )
  if (tensor.shape[0] === 1) return some
  return tf.gather(some, promptIndices(prompts, first))
}

/** Where prompts stand in a batch whose first is prompt `first`. */
export function promptIndices(prompts: readonly number[], first: number): tf.Tensor1D {
  return tf.tensor1d(
    prompts.map((b) => b - first),
    'int32',
  )
}
