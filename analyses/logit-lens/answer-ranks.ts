/** How an answer fares before and after a change of the model: log probability, logit and rank. */
import * as tf from '@tensorflow/tfjs'
import { type Answers } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions, Tokens } from '../../lib/tokens/tokens.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result } from '../../lib/report/result/result.js'
import { mean, variance } from '../../lib/stats/moments.js'
import { promptAxis } from '../../lib/core/labels.js'

export interface AnswerRanksOptions extends TokenOptions {
  /** One for all prompts, or one for each. */
  readonly answer: Answers
  /** Where the model says it. @default -1, the last real token */
  readonly position?: number
}

const quantities = ['log probability', 'logit', 'rank'] as const

/**
 * Log probability (nats), logit and rank (0 is the top) of the answer in a view and in an edited one, and the
 * differences, before less after: axes [prompt, quantity, condition], conditions `original`, `edited`, `difference`.
 * `extra.difference` holds for each quantity the mean difference over prompts and the half width of its 95% interval,
 * 1.96 · sd / √n with the sd of n − 1: NaN for a single prompt.
 */
export async function answerRanks(
  view: HookedModel,
  edited: HookedModel,
  prompts: Prompts,
  options: AnswerRanksOptions,
): Promise<Result> {
  const tokens = view.toTokens(prompts, options)
  const ids = view.answerIds('answerRanks', options.answer, tokens)
  const positions = promptPositions(tokens, options.position ?? -1, 'answerRanks')
  const [before, after] = [await read(view, tokens, positions, ids), await read(edited, tokens, positions, ids)]
  const values = before.map((row, b) => row.map((value, q) => [value, after[b]![q]!, value - after[b]![q]!]))
  const differences = quantities.map((_, q) => values.map((row) => row[q]![2]!))
  return new Result({
    kind: 'answer ranks',
    title: 'the answer before and after',
    unit: '',
    values: Float32Array.from(values.flat(2)),
    axes: [
      promptAxis(view, tokens),
      { name: 'quantity', labels: quantities },
      { name: 'condition', labels: ['original', 'edited', 'difference'] },
    ],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: {
      difference: Object.fromEntries(quantities.map((name, q) => [name, meanInterval(differences[q]!)])),
      position: options.position ?? -1,
    },
  })
}

/**
 * The mean and the half width of its 95% interval, 1.96 · sd / √n; NaN where there are too few values for them, the
 * mean of none and the sample's deviation of one, which figures leave out.
 * @param ddof 1 for the sample's deviation, 0 for the population's
 */
export function meanInterval(values: ArrayLike<number>, ddof: 0 | 1 = 1): { mean: number; ci95: number } {
  const n = values.length
  return { mean: mean(values), ci95: n > ddof ? 1.96 * Math.sqrt(variance(values) / (n - ddof)) : NaN }
}

/** Log probability, logit and rank of each prompt's answer. */
async function read(
  view: HookedModel,
  tokens: Tokens,
  positions: readonly number[],
  ids: readonly number[],
): Promise<[number, number, number][]> {
  const logits = tf.tidy(() => pickPositions(view.run(tokens), positions))
  try {
    const values = (await logits.data()) as Float32Array
    const width = logits.shape[1]
    return ids.map((id, b) => {
      const row = values.subarray(b * width, (b + 1) * width)
      const most = row.reduce((a, value) => Math.max(a, value), -Infinity)
      const logSum = most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0))
      const rank = row.reduce((count, value) => count + Number(value > row[id]!), 0)
      return [row[id]! - logSum, row[id]!, rank]
    })
  } finally {
    logits.dispose()
  }
}
