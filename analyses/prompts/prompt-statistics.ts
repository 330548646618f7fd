/** Small numbers about prompts: how often tokens occur, and mean activations. V vocabulary */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions } from '../../lib/tokens/tokens.js'
import { activationsUntil } from '../activations-until.js'

/** How often each token occurs in the prompts, BOS included, padding not: [V]. */
export function tokenCounts(view: HookedModel, prompts: Prompts, options: TokenOptions = {}): Int32Array {
  const { rows, mask } = view.toTokens(prompts, options)
  const counts = new Int32Array(view.config.dVocab)
  rows.forEach((row, b) => row.forEach((id, p) => (counts[id]! += mask?.[b]?.[p] ?? 1)))
  return counts
}

/** Ids that occur at most so often, in order. */
export function rareTokens(counts: Int32Array, atMost: number): number[] {
  return Array.from(counts.keys()).filter((id) => counts[id]! <= atMost)
}

/**
 * The mean of an activation [B,P,…] over the real positions of each prompt and then over prompts, so that long prompts
 * count no more than short ones: one number for each of its last axes' entries.
 */
export async function meanActivation(
  view: HookedModel,
  prompts: Prompts,
  hook: HookName,
  options: TokenOptions = {},
): Promise<Float32Array> {
  const tokens = view.toTokens(prompts, options)
  const { [hook]: x } = activationsUntil(view, tokens, [hook])
  const mean = tf.tidy(() => {
    const ones = x!.shape.slice(2).map(() => 1)
    const mask = tf.tensor((tokens.mask ?? tokens.rows.map((row) => row.map(() => 1))).flat(), [tokens.batch, tokens.positions, ...ones]) // prettier-ignore
    return x!.mul(mask).sum(1).div(mask.sum(1)).mean(0)
  })
  x!.dispose()
  try {
    return (await mean.data()) as Float32Array
  } finally {
    mean.dispose()
  }
}
