/** How good an SAE is: how sparse, how close to the activations, and how much of the model's loss it keeps. */
import { keeps, specialIds, type Exclude } from '../../lib/data/excluded.js'
import type { TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { AttachOptions, HookedModel } from '../../lib/model.js'
import { Result } from '../../lib/report/result/result.js'
import type { Attachable } from '../../lib/core/splice.js'
import { EvaluationRuns } from './runs.js'
import type { EvaluationSums } from './sums.js'
import { SaeEvaluation, type EvaluationMetrics } from './sae-evaluation-result.js'
import { countedTokens } from './tokens.js'

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
  return new SaeEvaluation({
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
  })
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
