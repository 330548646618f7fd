/** Next-token losses of prompts, one number a prompt. B prompts · P positions */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../lib/errors/errors.js'
import type { HookedModel } from '../lib/model.js'
import { pickColumns } from '../lib/ops/pick.js'
import type { Tokens } from '../lib/tokens/tokens.js'
import { positionsAt, type PromptPositions } from './prompt-positions.js'

/**
 * The share of the loss that an ablation adds and a reconstruction takes back:
 * (ablated − reconstructed) / (ablated − original), of the means. NaN where the ablation costs nothing, as there is
 * nothing to take back then; a report shows that as "none".
 * @example lossRecovered(1, 3, 1.5) // 0.75
 */
export function lossRecovered(original: number, ablated: number, reconstructed: number): number {
  return ablated === original ? NaN : (ablated - reconstructed) / (ablated - original)
}

/** Positions that have a next token to predict [B]; undefined for all. @throws ArgumentError */
export function lossPositions(name: string, tokens: Tokens, position: PromptPositions): number[] | undefined {
  const positions = positionsAt(tokens, position, name)
  if (!positions) checkLengths(name, tokens)
  for (const [b, p] of positions?.entries() ?? []) {
    if (p + 1 < tokens.positions && tokens.mask?.[b]?.[p + 1] !== 0) continue
    throw new ArgumentError(
      `${name}: position ${p} is the last of prompt ${b}, so that it predicts no token of it. Give an earlier one.`,
    )
  }
  return positions
}

/** @throws ArgumentError for a prompt that has no second token to predict */
function checkLengths(name: string, { rows, mask }: Tokens): void {
  const short = rows.findIndex((row, b) => row.reduce((count, _, p) => count + (mask?.[b]?.[p] ?? 1), 0) < 2)
  if (short < 0) return
  throw new ArgumentError(
    `${name}: prompt ${short} is 1 token long, so that it has no loss. Give each at least 2 tokens.`,
  )
}

/** The loss of each prompt [B] in nats: at its position, or the mean over its own tokens. */
export async function promptLosses(
  view: HookedModel,
  tokens: Tokens,
  positions: readonly number[] | undefined,
): Promise<Float32Array> {
  const losses = tf.tidy(() => {
    const each = view.lossPerToken(tokens)
    if (positions) return pickColumns(each, positions)
    if (!tokens.mask) return each.mean(1)
    const real = tf.tensor2d(tokens.mask.map((row) => row.slice(1).map((m, p) => m * (row[p] ?? 0))))
    return each.mul(real).sum(1).div(real.sum(1))
  })
  try {
    return await losses.data<'float32'>()
  } finally {
    losses.dispose()
  }
}
