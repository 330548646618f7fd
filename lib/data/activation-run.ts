/** Activations of one batch of tokens, in ordinary memory. N tokens that take part, D numbers each. */
import * as tf from '@tensorflow/tfjs'
import type { HookedView } from '../core/hooked-view.js'
import { chosenNames, type NameFilter } from '../core/hook-filters.js'
import { ArgumentError } from '../errors/errors.js'
import type { Tokens } from '../tokens/tokens.js'

/** What must be known of a model to take its activations; every view of a model is one. */
export type ActivationModel = Pick<
  HookedView,
  'name' | 'tokenizer' | 'hookPoints' | 'attached' | 'provenance' | 'runWithCache'
>

/** A hook point and the axes of one token's activation there: [H,K] of hook_z. */
export interface TokenPoint {
  readonly name: string
  readonly shape: readonly number[]
}

/** Numbers of one token. */
export const widthOf = ({ shape }: Pick<TokenPoint, 'shape'>): number => shape.reduce((product, n) => product * n, 1)

/**
 * The chosen hook points, with their shapes as a run of a single token has them.
 * @throws HookError for points that are not there or not reached, ArgumentError for one without an axis of positions
 */
export function tokenPoints(verb: string, view: ActivationModel, hooks: NameFilter): TokenPoint[] {
  const names = chosenNames(verb, hooks, view)
  const odd = view.hookPoints.find((point) => names.includes(point.name) && !point.shape.startsWith('[B,P,'))
  if (odd) {
    throw new ArgumentError(
      `${verb}: '${odd.name}' of shape ${odd.shape} has no activation of a single token. Use points of shape [B,P,…].`,
    )
  }
  using cache = view.runWithCache([[0]], { names, logits: false })
  return names.map((name) => ({ name, shape: cache.get(name).shape.slice(2) }))
}

/** The same of one hook point. @throws HookError, ArgumentError, also for a filter that names several */
export function tokenPoint(verb: string, view: ActivationModel, hook: string): TokenPoint {
  if (typeof hook !== 'string') {
    throw new ArgumentError(`${verb}: hook is ${JSON.stringify(hook)}. Name one hook point.`)
  }
  const [point] = tokenPoints(verb, view, hook)
  if (point) return point
  throw new ArgumentError(`${verb}: hook is '${hook}'. Name one hook point.`)
}

/** Which tokens' activations are taken, and where. */
export interface ActivationsAt {
  readonly names: readonly string[]
  /** b · P + p of each token [N]. */
  readonly index: Int32Array
}

/** Activations at each point, of the chosen tokens alone: a list [N · D] for each name. */
export async function activationsAt(
  view: ActivationModel,
  tokens: Tokens,
  { names, index }: ActivationsAt,
): Promise<Float32Array[]> {
  if (index.length === 0) return names.map(() => new Float32Array(0))
  const picked = pick(view, tokens, { names, index })
  try {
    return await Promise.all(picked.map((rows) => rows.data<'float32'>()))
  } finally {
    tf.dispose(picked)
  }
}

/** [N,D] at each point; the caller owns them. */
function pick(view: ActivationModel, tokens: Tokens, { names, index }: ActivationsAt): tf.Tensor[] {
  using cache = view.runWithCache(tokens, { names, logits: false })
  const count = tokens.batch * tokens.positions
  return tf.tidy(() =>
    names.map((name) => {
      const flat = cache.get(name).reshape([count, -1])
      return index.length === count ? flat : tf.gather(flat, tf.tensor1d(index, 'int32'))
    }),
  )
}
