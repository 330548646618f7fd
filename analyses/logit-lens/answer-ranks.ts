/** How an answer fares before and after a change of the model: log probability, logit and rank. */
import * as tf from '@tensorflow/tfjs'
import { z } from 'zod'
import { promptAxis } from '../../lib/core/labels.js'
import type { Answers } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { numberField } from '../../lib/report/result/saved.js'
import { mean, variance } from '../../lib/stats/moments.js'
import {
  tokenOptionsOf,
  type Prompts,
  tokenOptionNames,
  type TokenOptions,
  type Tokens,
} from '../../lib/tokens/tokens.js'
import { readPrediction, type Prediction } from './prediction.js'

/** What `answerRanks` compares, and where. */
export interface AnswerRanksOptions extends TokenOptions {
  /** The view with the change; it has the same model. */
  readonly edited: HookedModel
  /** One for all prompts, or one for each. */
  readonly answer: Answers
  /** Where the model says it. @default -1, the last real token */
  readonly position?: number
}

const optionNames: OptionNames<AnswerRanksOptions> = { ...tokenOptionNames, edited: true, answer: true, position: true }

/** A mean, and the half width of its 95% interval. */
export type MeanInterval = {
  readonly mean: number
  readonly ci95: number
}

const quantities = { 'log probability': 'logProb', logit: 'logit', rank: 'rank' } as const
type Quantity = keyof typeof quantities

type About = {
  readonly difference: Readonly<Record<Quantity, MeanInterval>>
  readonly position: number
}
const interval = z.object({ mean: numberField, ci95: numberField })

/** Axes [prompt, quantity, condition]: what `answerRanks` returns. */
export class AnswerRanks extends Result<About> {
  static override readonly format: string = 'tfjs-lens-answer-ranks'
  static readonly extraSchema: z.ZodType<About> = z.object({
    difference: z.object({ 'log probability': interval, logit: interval, rank: interval }),
    position: z.int(),
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): AnswerRanks {
    return new AnswerRanks(readResult(value, AnswerRanks))
  }

  /** Of each quantity the mean difference over prompts, before less after, and its interval. */
  get difference(): Readonly<Record<Quantity, MeanInterval>> {
    return this.extra.difference
  }

  /** Where the answer is said. */
  get position(): number {
    return this.extra.position
  }
}

/**
 * Log probability (nats), logit and rank (0 is the top) of the answer in a view and in an edited one, and the
 * differences, before less after: axes [prompt, quantity, condition], conditions `original`, `edited`, `difference`.
 *
 * @example
 * const edited = withoutLatents(view, { readsAt: sae.hookName }, [87])
 * const ranks = await answerRanks(view, prompts, { edited, answer: ',"', position: -2 })
 * console.log(ranks.difference.logit)
 * @throws ArgumentError, TokenError before any run
 */
export async function answerRanks(
  view: HookedModel,
  prompts: Prompts,
  options: AnswerRanksOptions,
): Promise<AnswerRanks> {
  checkOptions('answerRanks', options, optionNames)
  const { edited, answer, position = -1 } = options
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const ids = view.answerIds('answerRanks', answer, tokens)
  const at = { ids, positions: promptPositions(tokens, position, 'answerRanks') }
  const [before, after] = [await read(view, tokens, at), await read(edited, tokens, at)]
  const cells = before.flatMap((own, b) =>
    Object.values(quantities).map((quantity) => {
      const [original, changed] = [own[quantity], after[b]?.[quantity] ?? NaN]
      return { quantity, numbers: [original, changed, original - changed] }
    }),
  )
  const differenceOf = (wanted: (typeof quantities)[Quantity]) =>
    meanInterval(cells.filter(({ quantity }) => quantity === wanted).map(({ numbers }) => numbers[2] ?? NaN))
  return new AnswerRanks({
    kind: 'answer ranks',
    title: 'the answer before and after',
    unit: '',
    values: Float32Array.from(cells.flatMap(({ numbers }) => numbers)),
    axes: [
      promptAxis(view, tokens),
      { name: 'quantity', labels: Object.keys(quantities) },
      { name: 'condition', labels: ['original', 'edited', 'difference'] },
    ],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: {
      difference: {
        'log probability': differenceOf('logProb'),
        logit: differenceOf('logit'),
        rank: differenceOf('rank'),
      },
      position,
    },
  })
}

/**
 * The mean and the half width of its 95% interval, 1.96 · sd / √n; NaN where there are too few values for them, the
 * mean of none and the sample's deviation of one, which figures leave out.
 *
 * @param ddof 1 for the sample's deviation, 0 for the population's @default 1
 * @example meanInterval([0.1, 0.3, 0.2]) // { mean: 0.2, ci95: 0.113… }
 */
export function meanInterval(values: ArrayLike<number>, ddof: 0 | 1 = 1): MeanInterval {
  const n = values.length
  return { mean: mean(values), ci95: n > ddof ? 1.96 * Math.sqrt(variance(values) / (n - ddof)) : NaN }
}

/** How each prompt's answer fares. */
async function read(
  view: HookedModel,
  tokens: Tokens,
  { ids, positions }: { readonly ids: readonly number[]; readonly positions: readonly number[] },
): Promise<Prediction[]> {
  const logits = tf.tidy(() => pickPositions(view.run(tokens), positions))
  try {
    const values = await logits.data<'float32'>()
    const [, width] = logits.shape
    return ids.map((id, b) => readPrediction(values.subarray(b * width, (b + 1) * width), id))
  } finally {
    logits.dispose()
  }
}
