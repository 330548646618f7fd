/** The tensors that replace activations: means, other prompts' activations, the caller's own. */
import * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from '../transformer/architecture.js'
import { axesOf, type HookPoint } from '../core/hooks.js'
import { range } from '../stats/range.js'
import type { Tokens } from '../tokens/tokens.js'
import { featureShape } from '../core/view.js'
import { positionAxis, type RowsAt } from './apply.js'
import { unitAxis, type ResolvedEdit, type Value } from './edits.js'
import { MadeTensors } from './made.js'

/** A replacement [B,P,…] whose first row is prompt `first`; its axes of length 1 stand for all. */
export interface Placed {
  readonly tensor: tf.Tensor
  readonly first: number
}

/** What `mean`, `resample` and `source` stand for. */
export interface Sources {
  readonly source: Tokens
  /** The source prompt of each prompt; undefined where nothing is resampled. */
  readonly order: readonly number[] | undefined
}

/** What is known before any intervention is run. */
export interface KnownValues {
  readonly config: ModelConfig
  readonly means: ReadonlyMap<string, tf.Tensor>
  readonly sourced: ReadonlyMap<string, tf.Tensor>
}

/** Replacements for some of the prompts. Owns what was taken from sources and what is made. */
export class ValueSource implements Disposable {
  readonly #known: KnownValues
  readonly #first: number
  readonly #made: MadeTensors

  /** @param positions P */
  constructor(known: KnownValues, prompts: readonly number[], positions: number) {
    this.#known = known
    this.#first = prompts[0]!
    this.#made = new MadeTensors(prompts, positions)
  }

  /** Makes what these edits need and is made; see `MadeTensors.hold`. */
  hold(edits: Iterable<ResolvedEdit>): void {
    this.#made.hold(edits)
  }

  /** Whether something is taken from other prompts at a point. */
  readonly isSourced = (name: string): boolean =>
    ['source', 'resample'].some((kind) => this.#known.sourced.has(`${kind} ${name}`))

  /** What the source prompts have, if anything is taken from them. */
  ofSource(name: string | undefined): tf.Tensor | undefined {
    return this.#known.sourced.get(`source ${name}`)
  }

  /** The tensor of a replacement that is one. */
  placed(name: string, value: Value): Placed {
    if (value.kind === 'mean') return { tensor: this.#known.means.get(name)!, first: 0 }
    if (value.kind === 'tensor') return { tensor: value.tensor, first: 0 }
    if (value.kind === 'made') return { tensor: this.#made.get(value.made), first: this.#first }
    return { tensor: this.#known.sourced.get(`${value.kind} ${name}`)!, first: this.#first }
  }

  /** Each row's replacement at its prompt and positions: [R|1,Q|1,…]. */
  rows(placed: readonly Placed[], point: HookPoint, { prompts, begin, count }: RowsAt): tf.Tensor {
    const starts = range(placed.length).filter((r) => placed[r]!.tensor !== placed[r - 1]?.tensor)
    const runs = starts.map((r, i) => ({ own: placed[r]!, prompts: prompts.slice(r, starts[i + 1]) }))
    if (runs.length === 1) return rowsOf(runs[0]!.own, point, { prompts, begin, count })
    const positions = positionAxis(point)
    const full = (x: tf.Tensor, rows: number) => {
      const times = x.shape.map((n, i) => (i === 0 ? rows / n : i === positions ? count / n : 1))
      return times.every((n) => n === 1) ? x : tf.tile(x, times)
    }
    return tf.concat(
      runs.map(({ own, prompts }) => full(rowsOf(own, point, { prompts, begin, count }), prompts.length)),
    )
  }

  /** The axes behind [R,1] of numbers of one position, or of one unit there. */
  vectorShape(point: HookPoint, size: number, ofUnit: boolean): number[] {
    const features = axesOf(point.shape).length - 2
    if (features === 1) return [ofUnit ? 1 : size]
    if (ofUnit) return [...new Array<number>(unitAxis(point) - 1).fill(1), size]
    return point.name.includes('.hook_sae_')
      ? [this.#known.config.nHeads, size / this.#known.config.nHeads]
      : featureShape(point, this.#known.config)
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#known.sourced.values()) tensor.dispose()
    this.#made[Symbol.dispose]()
  }
}

/** Rows of a tensor [B,P,…] by prompt, from a position on. Axes of length 1 stay. */
export function rowsOf({ tensor, first }: Placed, point: HookPoint, { prompts, begin, count }: RowsAt): tf.Tensor {
  const axis = positionAxis(point)
  const some =
    tensor.shape[axis] === 1 && begin + count > 1
      ? tensor
      : tensor.slice(
          tensor.shape.map((_, i) => (i === axis ? begin : 0)),
          tensor.shape.map((n, i) => (i === axis ? count : n)),
        )
  if (tensor.shape[0] === 1) return some
  return tf.gather(
    some,
    tf.tensor1d(
      prompts.map((b) => b - first),
      'int32',
    ),
  )
}

const named = (edits: Iterable<ResolvedEdit>, kind: string): string[] => [
  ...new Set([...edits].flatMap((edit) => (edit.value.kind === kind ? [edit.point.name] : []))),
]

/** Activations [b,P,…] of prompts at some points, by name. */
export type Activations = (names: readonly string[], prompts: Tokens) => Map<string, tf.Tensor>

/**
 * The means [1,1,…] over prompts and real positions at every point that an edit sets to its mean. The caller owns them.
 * @param chunk prompts that are run at once
 */
export function meansOf(activations: Activations, source: Tokens, edits: Iterable<ResolvedEdit>, chunk: number) {
  const names = named(edits, 'mean')
  const sums = new Map<string, tf.Tensor>()
  if (names.length === 0) return sums
  try {
    for (let first = 0; first < source.batch; first += chunk) {
      const some = source.pick(range(first, Math.min(source.batch, first + chunk)))
      for (const [name, x] of activations(names, some)) {
        const sum = tf.tidy(() => realSum(x, some).add(sums.get(name) ?? 0))
        tf.dispose([x, ...(sums.has(name) ? [sums.get(name)!] : [])])
        sums.set(name, sum)
      }
    }
    const count = source.mask
      ? source.mask.flat().reduce((sum, real) => sum + real, 0)
      : source.batch * source.positions
    return new Map([...sums].map(([name, sum]) => [name, sum.div(count)] as const))
  } finally {
    tf.dispose([...sums.values()])
  }
}

function realSum(x: tf.Tensor, { mask, batch, positions }: Tokens): tf.Tensor {
  if (!mask) return x.sum([0, 1], true)
  return x.mul(tf.tensor(mask.flat(), [batch, positions, ...x.shape.slice(2).map(() => 1)])).sum([0, 1], true)
}

/**
 * Activations of the prompts' sources at every point that an edit takes from them or resamples, by `source` or
 * `resample` and the name. The caller owns them.
 * @param read what else is read of the sources, where an edit takes anything from them
 */
export function sourcedOf(
  activations: Activations,
  { source, order }: Sources,
  prompts: readonly number[],
  edits: Iterable<ResolvedEdit>,
  read: string | undefined,
): Map<string, tf.Tensor> {
  const tensors = new Map<string, tf.Tensor>()
  const add = (kind: string, rows: readonly number[], more?: string) => {
    const names = new Set(named(edits, kind))
    if (names.size === 0) return
    if (more !== undefined) names.add(more)
    for (const [name, x] of activations([...names], source.pick(rows))) tensors.set(`${kind} ${name}`, x)
  }
  add('source', prompts, read)
  if (order) add('resample', prompts.map((b) => order[b]!)) // prettier-ignore
  return tensors
}
