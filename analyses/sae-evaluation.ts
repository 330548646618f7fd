/** How good an SAE is: how sparse, how close to the activations, and how much of the model's loss it keeps. */
import { keeps, specialIds, type Exclude } from '../lib/data/excluded.js'
import type { TokenData } from '../lib/data/token-data.js'
import { ArgumentError } from '../lib/errors.js'
import type { AttachOptions, HookedModel } from '../lib/model.js'
import { Result } from '../lib/report/result.js'
import type { Attachable } from '../lib/splice.js'
import { EvaluationRuns } from './sae-evaluation-runs.js'
import type { EvaluationSums } from './sae-evaluation-sums.js'
import { countedTokens } from './sae-evaluation-tokens.js'

export interface EvaluationOptions extends AttachOptions {
  /**
   * Tokens that do not count: BOS, EOS and padding tokens wherever they stand (`special`), the BOS that begins a row
   * (`bos`), `none`, or the ids of a list. What only fills up a row never counts. @default 'special'
   */
  readonly exclude?: Exclude
  /**
   * What losses are of. `counted`: a token that does not count keeps the model's own activation, and its loss is left
   * out, as in SAELens. `all`: the activation is replaced at every token, and every loss counts. @default 'counted'
   */
  readonly losses?: 'counted' | 'all'
  /** log10 of the density below which a latent is called rare. @default -5 */
  readonly rareBelow?: number
  /** Batches read at most. @default all */
  readonly batches?: number
  /** Called after each batch of the second reading, in which the model runs to its end. */
  readonly onProgress?: (batches: number) => void
}

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
  /** Mean over tokens of KL(p ‖ p̂) = Σ_v p_v log(p_v / p̂_v), p the model's prediction, p̂ that with x̂ in place of x. */
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

export interface SaeEvaluation {
  readonly metrics: EvaluationMetrics
  /** The same numbers: axes [metric]. */
  readonly result: Result
  /** log10 of the share of tokens on which each latent fires, plus 1e-10 so that a dead one has −10: axes [latent]. */
  readonly logDensity: Result
  /** N. */
  readonly tokens: number
}

/**
 * Reads the data twice: for the mean activation, then batch by batch with the model run as it is, with the SAE, with
 * zeros and with the mean in place of the activation. A transcoder is held to the activation it stands in for. Memory is
 * that of one batch, with about four times its logits [B,P,V].
 *
 * `await evaluateSae(model, sae, data)`, `(await evaluateSae(…)).result.print()`
 * @throws HookError, MismatchError when the SAE does not fit the view; ArgumentError, TokenError
 */
export async function evaluateSae(
  view: HookedModel,
  sae: Attachable,
  data: TokenData,
  options: EvaluationOptions = {},
): Promise<SaeEvaluation> {
  const { rareBelow = -5, batches = Infinity } = options
  checkOptions(options)
  const { exclude = 'special', losses = 'counted' } = options
  const keep = keeps('evaluateSae', exclude, specialIds(view.tokenizer))
  const counted = countedTokens(keep, losses)
  const runs = new EvaluationRuns(view, sae, options, counted)
  const sums = await runs.all(() => limited(data, batches), options.onProgress)
  const logDensity = sums.fired.map((count) => Math.log10(count / sums.tokens + 1e-10))
  const metrics = metricsOf(sums, logDensity, rareBelow)
  const common = {
    kind: 'sae-evaluation',
    provenance: await runs.spliced.provenance(),
    extra: { data: data.about, tokens: sums.tokens, exclude, losses },
  }
  return {
    metrics,
    tokens: sums.tokens,
    result: new Result({
      ...common,
      title: `evaluation of ${sae.label}`,
      unit: '',
      axes: [{ name: 'metric', labels: Object.keys(metrics) }],
      values: Float32Array.from(Object.values(metrics)),
      notes: [
        'explainedVariance is 1 − Σ‖x − x̂‖² / Σ‖x − mean x‖²; the scores are shares of the loss or divergence of ablation',
      ],
    }),
    logDensity: new Result({
      ...common,
      title: `density of the latents of ${sae.label}`,
      unit: 'log10 of the share of tokens',
      axes: [{ name: 'latent', labels: Array.from(sums.fired, (_, s) => `latent ${s}`) }],
      values: Float32Array.from(logDensity),
    }),
  }
}

function metricsOf(sums: EvaluationSums, logDensity: readonly number[], rareBelow: number): EvaluationMetrics {
  const { tokens, losses, predictions } = sums
  const loss = sums.loss / losses
  const lossWithSae = sums.lossWithSae / losses
  const lossZeroAblated = sums.lossZeroAblated / losses
  const lossMeanAblated = sums.lossMeanAblated / losses
  return {
    l0: sums.fired.reduce((sum, count) => sum + count, 0) / tokens,
    l1: sums.l1 / tokens,
    explainedVariance: 1 - sums.squaredError / sums.variance,
    mse: sums.squaredError / tokens,
    cosine: sums.cosine / tokens,
    loss,
    lossWithSae,
    lossZeroAblated,
    lossMeanAblated,
    ceLossScore: (lossZeroAblated - lossWithSae) / (lossZeroAblated - loss),
    ceLossScoreOfMean: (lossMeanAblated - lossWithSae) / (lossMeanAblated - loss),
    klWithSae: sums.klWithSae / predictions,
    klZeroAblated: sums.klZeroAblated / predictions,
    klScore: (sums.klZeroAblated - sums.klWithSae) / sums.klZeroAblated,
    dead: sums.fired.filter((count) => count === 0).length,
    rare: logDensity.filter((density) => density < rareBelow).length,
  }
}

function checkOptions({ losses = 'counted', batches = 1, rareBelow = -5 }: EvaluationOptions): void {
  if (losses !== 'counted' && losses !== 'all')
    throw new ArgumentError(`evaluateSae: losses is '${String(losses)}'. It must be 'counted' or 'all'.`)
  if (!Number.isInteger(batches) || batches < 1)
    throw new ArgumentError(`evaluateSae: batches is ${batches}. It must be a whole number, at least 1.`)
  if (!Number.isFinite(rareBelow))
    throw new ArgumentError(`evaluateSae: rareBelow is ${rareBelow}. It must be a number, the log10 of a density.`)
}

/** The first batches of the data. */
async function* limited(data: TokenData, batches: number) {
  let read = 0
  for await (const { tokens } of data.batches()) {
    yield tokens
    if (++read >= batches) return
  }
}
