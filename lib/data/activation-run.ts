/** Activations of one batch of tokens, in ordinary memory. N tokens that take part, D numbers each. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../errors/errors.js'
import { chosenNames, type NameFilter } from '../core/hooks.js'
import type { HookedModel } from '../model.js'
import type { Tokens } from '../tokens/tokens.js'

/** A hook point and the axes of one token's activation there: [H,K] of hook_z. */
export interface Site {
  readonly name: string
  readonly shape: readonly number[]
}

/** Numbers of one token. */
export const widthOf = ({ shape }: Site): number => shape.reduce((product, n) => product * n, 1)

/**
 * The chosen hook points, with their shapes as a run of a single token has them.
 * @throws HookError for points that are not there or not reached, ArgumentError for one without an axis of positions
 */
export function hookSites(verb: string, view: HookedModel, hooks: NameFilter): Site[] {
  const names = chosenNames(verb, hooks, view.hookPoints, view.name)
  const odd = view.hookPoints.find((point) => names.includes(point.name) && !point.shape.startsWith('[B,P,'))
  if (odd) {
    throw new ArgumentError(
      `${verb}: '${odd.name}' of shape ${odd.shape} has no activation of a single token. Use points of shape [B,P,…].`,
    )
  }
  using cache = view.runWithCache([[0]], { names, logits: false })
  return names.map((name) => ({ name, shape: cache.get(name).shape.slice(2) }))
}

/** Activations [N,D] at each point, of the tokens at `index` (b · P + p) alone. */
export async function activationsAt(
  view: HookedModel,
  tokens: Tokens,
  names: readonly string[],
  index: Int32Array,
): Promise<Float32Array[]> {
  if (index.length === 0) return names.map(() => new Float32Array(0))
  const picked = pick(view, tokens, names, index)
  try {
    return await Promise.all(picked.map((rows) => rows.data<'float32'>()))
  } finally {
    tf.dispose(picked)
  }
}

function pick(view: HookedModel, tokens: Tokens, names: readonly string[], index: Int32Array): tf.Tensor[] {
  using cache = view.runWithCache(tokens, { names, logits: false })
  const count = tokens.batch * tokens.positions
  return tf.tidy(() =>
    names.map((name) => {
      const flat = cache.get(name).reshape([count, -1])
      return index.length === count ? flat : tf.gather(flat, tf.tensor1d(index, 'int32'))
    }),
  )
}
