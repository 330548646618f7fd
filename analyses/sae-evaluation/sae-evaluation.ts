/** How good an SAE is: how sparse, how close to the activations, and how much of the model's loss it keeps. */
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import type { Attachable } from '../../lib/core/splice.js'
import { keeps, specialIds, type ExcludedTokens } from '../../lib/data/excluded-tokens.js'
import type { TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { AttachOptions, HookedModel } from '../../lib/model.js'
import { Result } from '../../lib/report/result/result.js'
import { countedTokens } from './counted-tokens.js'
import { EvaluationRuns } from './evaluation-runs.js'
import type { EvaluationSums } from './evaluation-sums.js'
import { SaeEvaluation, type EvaluationMetrics } from './sae-evaluation-result.js'

/** What `evaluateSae` measures, and on which tokens. */
export interface EvaluationOptions extends AttachOptions, ProgressOptions {
  /** What is measured: an SAE or a transcoder. The view does not have it yet. */
  readonly sae: Attachable
  /**
   * Tokens that do not count: BOS, EOS and padding tokens wherever they stand (`special`), the BOS that begins a row
   * (`bos`), `none`, or the ids of a list. What only fills up a row never counts. @default 'special'
   */
  readonly exclude?: ExcludedTokens
  /**
   * What losses are of. `counted`: a token that does not count keeps the model's own activation, and its loss is left
   * out, as in SAELens. `all`: the activation is replaced at every token, and every loss counts. @default 'counted'
   */
  readonly losses?: 'counted' | 'all'
  /** log10 of the density below which a latent is called rare. @default -5 */
  readonly rareBelow?: number
  /** Batches read at most. @default all */
  readonly batches?: number
}

const optionNames: OptionNames<EvaluationOptions> = {
  ...progressOptionNames,
  sae: true,
  errorTerm: true,
  errorGradient: true,
  force: true,
  exclude: true,
  losses: true,
  rareBelow: true,
  batches: true,
}

/**
 * Reads the data twice: for the mean activation, then batch by batch with the model run as it is, with the SAE, with
 * zeros and with the mean in place of the activation. A transcoder is held to the activation it stands in for. Memory
 * is that of one batch, with about four times its logits [B,P,V]. Progress counts the batches of the second reading.
 *
 * Source: `run_evals` of SAELens; see `EvaluationMetrics` for the formulas.
 * @example
 * const evaluation = await evaluateSae(model, data, { sae })
 * evaluation.print()
 * console.log(evaluation.metrics.ceLossScore)
 * @throws HookError, MismatchError when the SAE does not fit the view; ArgumentError, TokenError
 */
export async function evaluateSae(
  view: HookedModel,
  data: TokenData,
  options: EvaluationOptions,
): Promise<SaeEvaluation> {
  checkOptions('evaluateSae', options, optionNames)
  checkValues(options)
  const { sae, rareBelow = -5, batches = Infinity, exclude = 'special', losses = 'counted' } = options
  const keep = keeps('evaluateSae', exclude, specialIds(view.tokenizer))
  const runs = new EvaluationRuns(view, options, countedTokens(keep, losses))
  const sums = await runs.all(() => firstBatches(data, batches), options)
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
        'explainedVariance is 1 − Σ‖x − x̂‖² / Σ‖x − mean x‖²; the scores are shares of the loss or divergence of ' +
          'ablation',
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

function checkValues({ sae, losses = 'counted', batches = 1, rareBelow = -5 }: EvaluationOptions): void {
  if (typeof sae !== 'object' || sae === null) {
    throw new ArgumentError(`evaluateSae: sae is ${String(sae)}. Give an SAE: evaluateSae(model, data, { sae }).`)
  }
  if (losses !== 'counted' && losses !== 'all') {
    throw new ArgumentError(`evaluateSae: losses is '${String(losses)}'. It must be 'counted' or 'all'.`)
  }
  if (!Number.isInteger(batches) || batches < 1) {
    throw new ArgumentError(`evaluateSae: batches is ${batches}. It must be a whole number, at least 1.`)
  }
  if (!Number.isFinite(rareBelow)) {
    throw new ArgumentError(`evaluateSae: rareBelow is ${rareBelow}. It must be a number, the log10 of a density.`)
  }
}

/** The first batches of the data. */
async function* firstBatches(data: TokenData, batches: number) {
  let read = 0
  for await (const { tokens } of data.batches()) {
    yield tokens
    if (++read >= batches) return
  }
}
