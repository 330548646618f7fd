/** What edits take from other prompts: means over them, and their activations. */
import * as tf from '@tensorflow/tfjs'
import { range } from '../../stats/range.js'
import type { Tokens } from '../../tokens/tokens.js'
import type { ResolvedEdit } from './edit.js'

/** Prompts that `mean`, `resample` and `source` take activations from. */
export interface Sources {
  readonly source: Tokens
  /** The source prompt of each prompt; undefined where nothing is resampled. */
  readonly order: readonly number[] | undefined
}

/** Activations [b,P,…] of prompts at some points, by name. */
export type ActivationsOf = (names: readonly string[], prompts: Tokens) => Map<string, tf.Tensor>

/** The points at which edits put in values of a kind, each once. */
function pointsOf(edits: Iterable<ResolvedEdit>, kind: string): string[] {
  const names = [...edits].flatMap(({ value, point }) => (value.kind === kind ? [point.name] : []))
  return [...new Set(names)]
}

/**
 * The means [1,1,…] over prompts and real positions at every point that an edit sets to its mean. The caller owns them.
 * @param chunk prompts that are run at once
 */
export function meanActivations(
  activationsOf: ActivationsOf,
  edits: Iterable<ResolvedEdit>,
  { source, chunk }: { readonly source: Tokens; readonly chunk: number },
): Map<string, tf.Tensor> {
  const names = pointsOf(edits, 'mean')
  const sums = new Map<string, tf.Tensor>()
  if (names.length === 0) return sums
  try {
    for (let first = 0; first < source.batch; first += chunk) {
      const some = source.pick(range(first, Math.min(source.batch, first + chunk)))
      for (const [name, x] of activationsOf(names, some)) {
        const before = sums.get(name)
        sums.set(
          name,
          tf.tidy(() => realSum(x, some).add(before ?? 0)),
        )
        tf.dispose(before ? [x, before] : x)
      }
    }
    const count = realPositions(source)
    return new Map([...sums].map(([name, sum]) => [name, sum.div(count)] as const))
  } finally {
    tf.dispose([...sums.values()])
  }
}

function realPositions({ mask, batch, positions }: Tokens): number {
  return mask ? mask.flat().reduce((sum, real) => sum + real, 0) : batch * positions
}

/** The sum over prompts and real positions, [1,1,…]. */
function realSum(x: tf.Tensor, { mask, batch, positions }: Tokens): tf.Tensor {
  if (!mask) return x.sum([0, 1], true)
  return x.mul(tf.tensor(mask.flat(), [batch, positions, ...x.shape.slice(2).map(() => 1)])).sum([0, 1], true)
}

/** Activations of the prompts' sources, at every point that an edit takes from them or resamples. Owns them. */
export class SourceActivations implements Disposable {
  readonly #tensors: ReadonlyMap<string, tf.Tensor>

  private constructor(tensors: ReadonlyMap<string, tf.Tensor>) {
    this.#tensors = tensors
  }

  /** @param read what else is read of the sources, where an edit takes anything from them */
  static of(
    activationsOf: ActivationsOf,
    edits: readonly ResolvedEdit[],
    {
      source,
      order,
      prompts,
      read,
    }: Sources & { readonly prompts: readonly number[]; readonly read?: string | undefined },
  ): SourceActivations {
    const tensors = new Map<string, tf.Tensor>()
    const add = (kind: 'source' | 'resample', rows: readonly number[], more: readonly string[]) => {
      const names = pointsOf(edits, kind)
      if (names.length === 0) return
      const all = new Set([...names, ...more])
      for (const [name, x] of activationsOf([...all], source.pick(rows))) tensors.set(`${kind} ${name}`, x)
    }
    add('source', prompts, read === undefined ? [] : [read])
    const resampled = prompts.flatMap((b) => order?.[b] ?? [])
    if (order) add('resample', resampled, [])
    return new SourceActivations(tensors)
  }

  has(kind: 'source' | 'resample', name: string): boolean {
    return this.#tensors.has(`${kind} ${name}`)
  }

  /** [b,P,…] of the prompts' sources. */
  get(kind: 'source' | 'resample', name: string): tf.Tensor {
    const tensor = this.#tensors.get(`${kind} ${name}`)
    if (!tensor) throw new Error(`sweep: nothing is taken from sources at '${name}'`)
    return tensor
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor.dispose()
  }
}
