/** How good an SAE is, in numbers: what `evaluateSae` returns. */
import { z } from 'zod'
import { savedNumber, type JsonObject } from '../../lib/report/result/json.js'
import { histogram, type Figure } from '../../lib/report/figure/figure.js'
import { Result } from '../../lib/report/result/result.js'
import type { Rows } from '../../lib/report/result/rows.js'
import { ResultRecord } from '../../lib/report/result/result-record.js'
import { numberField, readSaved, savedSchema } from '../../lib/report/result/saved.js'
import type { Table } from '../../lib/report/table/table.js'

/**
 * With x an activation [D], x̂ its reconstruction, f the latents [S], x̄ the mean of x over all N counted tokens.
 * Losses are in nats.
 */
export interface EvaluationMetrics {
  /** How many latents fire on a token: mean of |{s : f_s > 0}|. */
  readonly l0: number
  /** Mean of Σ_s |f_s|. */
  readonly l1: number
  /** 1 − Σ ‖x − x̂‖² / Σ ‖x − x̄‖², both sums over all tokens: relative to the mean, 1 when exact, 0 for x̂ = x̄. */
  readonly explainedVariance: number
  /** Mean over tokens of ‖x − x̂‖², the squares summed over D. */
  readonly mse: number
  /** Mean of x · x̂ / (‖x‖ ‖x̂‖); 0 where one of them is 0. */
  readonly cosine: number
  /** Mean next-token loss of the model as it is. */
  readonly loss: number
  /** The same with x̂ in the place of x. */
  readonly lossWithSae: number
  /** The same with zeros in the place of x. */
  readonly lossZeroAblated: number
  /** The same with x̄ in the place of x. */
  readonly lossMeanAblated: number
  /** Loss recovered, SAELens's ce_loss_score: (lossZeroAblated − lossWithSae) / (lossZeroAblated − loss). */
  readonly ceLossScore: number
  /** Loss recovered of the mean's: (lossMeanAblated − lossWithSae) / (lossMeanAblated − loss). */
  readonly ceLossScoreOfMean: number
  /**
   * Mean over tokens of KL(p ‖ p̂) = Σ_v p_v log(p_v / p̂_v), nats, p the model's prediction, p̂ that with x̂ in place
   * of x.
   */
  readonly klWithSae: number
  /** The same with zeros in place of x. */
  readonly klZeroAblated: number
  /** SAELens's kl_div_score: (klZeroAblated − klWithSae) / klZeroAblated. */
  readonly klScore: number
  /** Latents that fire on no token. */
  readonly dead: number
  /** Latents with log10 density below `rareBelow`, the dead ones among them. */
  readonly rare: number
}

/** What an evaluation is made of. */
export interface SaeEvaluationInit {
  readonly metrics: EvaluationMetrics
  readonly result: Result
  readonly logDensity: Result
  readonly tokens: number
}

/** Plain data. */
export class SaeEvaluation extends ResultRecord implements SaeEvaluationInit {
  static readonly format = 'tfjs-lens-sae-evaluation'
  readonly metrics: EvaluationMetrics
  /** The same numbers: axes [metric]. */
  readonly result: Result
  /** log10 of the share of tokens on which each latent fires, plus 1e-10 so that a dead one has −10: axes [latent]. */
  readonly logDensity: Result
  /** N. */
  readonly tokens: number

  constructor({ metrics, result, logDensity, tokens }: SaeEvaluationInit) {
    super()
    ;[this.metrics, this.result, this.logDensity, this.tokens] = [metrics, result, logDensity, tokens]
  }

  toTable(): Table {
    return this.result.toTable()
  }

  toString(): string {
    return this.result.toString()
  }

  /** How often latents fire, as a histogram of `logDensity`. */
  override plot(): Figure {
    const { title, unit, values } = this.logDensity
    return histogram({ title, values, xTitle: unit, yTitle: 'latents' })
  }

  /** The metrics, for `compare`; of the densities, compare `logDensity`. */
  toResult(): Result {
    return this.result
  }

  /** A row a metric. */
  toRows(): Rows {
    return { ...this.result.toRows(), header: { format: SaeEvaluation.format } }
  }

  toJSON(): JsonObject {
    const { metrics, result, logDensity, tokens } = this
    const numbers = Object.entries(metrics).map(([name, value]) => [name, savedNumber(value as number)])
    return {
      format: SaeEvaluation.format,
      version: 1,
      tokens,
      metrics: Object.fromEntries(numbers) as JsonObject,
      result: result.toJSON(),
      logDensity: logDensity.toJSON(),
    }
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): SaeEvaluation {
    const { metrics, tokens, ...parts } = readSaved('SaeEvaluation', schema, value)
    const [result, logDensity] = [Result.fromJSON(parts.result), Result.fromJSON(parts.logDensity)]
    return new SaeEvaluation({ metrics, tokens, result, logDensity })
  }
}

const schema = savedSchema(SaeEvaluation.format, {
  tokens: z.int(),
  metrics: z.object({
    l0: numberField,
    l1: numberField,
    explainedVariance: numberField,
    mse: numberField,
    cosine: numberField,
    loss: numberField,
    lossWithSae: numberField,
    lossZeroAblated: numberField,
    lossMeanAblated: numberField,
    ceLossScore: numberField,
    ceLossScoreOfMean: numberField,
    klWithSae: numberField,
    klZeroAblated: numberField,
    klScore: numberField,
    dead: numberField,
    rare: numberField,
  }),
  result: z.unknown(),
  logDensity: z.unknown(),
})
