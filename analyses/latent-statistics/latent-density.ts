/** How often latents fire on text, for SAEs that come without their sparsity. B rows · P positions · F latents */
import * as tf from '@tensorflow/tfjs'
import { z } from 'zod'
import { jobProgress } from '../../lib/core/job-progress.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import type { HookName } from '../../lib/core/hooks.js'
import { excludedField, keeps, keptTokens, specialIds, type ExcludedTokens } from '../../lib/data/excluded-tokens.js'
import type { TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentSource } from '../latent-source.js'

/** Which tokens `latentDensity` counts. */
export interface LatentDensityOptions extends ProgressOptions {
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
  /** Tokens that do not count; what only fills up a row never counts. @default 'special' */
  readonly exclude?: ExcludedTokens
}

const optionNames: OptionNames<LatentDensityOptions> = { ...progressOptionNames, hook: true, exclude: true }

type About = {
  readonly data: JsonObject
  readonly tokens: number
  readonly exclude: ExcludedTokens
}

/** Axes [latent], log10 of the share of tokens: what `latentDensity` returns. */
export class LatentDensity extends Result<About> {
  static override readonly format: string = 'tfjs-lens-latent-density'
  static readonly extraSchema: z.ZodType<About> = z.object({
    data: z.record(z.string(), z.json()),
    tokens: z.int(),
    exclude: excludedField,
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): LatentDensity {
    return new LatentDensity(readResult(value, LatentDensity))
  }

  /** What the token data says of itself. */
  get data(): JsonObject {
    return this.extra.data
  }

  /** How many tokens counted. */
  get tokens(): number {
    return this.extra.tokens
  }

  /** Which did not count. */
  get exclude(): ExcludedTokens {
    return this.extra.exclude
  }
}

/**
 * log10 of the share of tokens on which each latent of an SAE fires, plus 1e-10, so that a dead one has −10: what
 * SAELens saves as sparsity, and `evaluateSae` gives with much else. Axes [latent]. One pass over the data, in which
 * the model runs up to the SAE only. Progress counts rows.
 *
 * @example sae.logSparsity = (await latentDensity(model.withSaes(sae), data)).values // for latentStatistics
 * @throws ArgumentError, HookError; ArgumentError for data of which no token counts
 */
export async function latentDensity(
  view: HookedModel,
  data: TokenData,
  options: LatentDensityOptions = {},
): Promise<LatentDensity> {
  checkOptions('latentDensity', options, optionNames)
  const { exclude = 'special' } = options
  const attached = saeAt('latentDensity', view, options.hook)
  const latents = chosenLatents('latentDensity', attached.sae, undefined)
  const keep = keeps('latentDensity', exclude, specialIds(view.tokenizer))
  const provenance = await view.provenance()
  const source = latentSource(view, attached, { latents, hooks: provenance.hooks })
  using report = jobProgress('latent density: rows', options)
  let fired = new Float64Array(latents.length)
  let tokens = 0
  for await (const batch of data.batches()) {
    const { positions } = batch.tokens
    const { index } = keptTokens(batch, keep)
    tokens += index.length
    const counted = new Float32Array(batch.tokens.batch * positions)
    for (const place of index) counted[place] = 1
    await source.each(batch.tokens, async (acts, row) => {
      const counts = await firing(acts, counted.subarray(row * positions, (row + acts.shape[0]) * positions))
      fired = fired.map((sum, f) => sum + (counts[f] ?? NaN))
    })
    report(batch.firstRow + batch.tokens.batch)
    options.signal?.throwIfAborted()
  }
  checkTokens(tokens, exclude)
  return new LatentDensity({
    kind: 'latent density',
    title: `density of the latents of ${attached.sae.label}`,
    unit: 'log10 of the share of tokens',
    values: Float32Array.from(fired, (count) => Math.log10(count / tokens + 1e-10)),
    axes: [{ name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }],
    provenance,
    extra: { data: data.about, tokens, exclude },
  })
}

/** On how many of the counted tokens each latent fires [F]. @param counted [B·P], 1 where a token counts */
async function firing(acts: tf.Tensor3D, counted: Float32Array): Promise<ArrayLike<number>> {
  const counts = tf.tidy(() => {
    const fires = acts.greater(0).toFloat().reshape<tf.Tensor2D>([counted.length, -1])
    return tf.matMul(tf.tensor2d(counted, [1, counted.length]), fires)
  })
  try {
    return await counts.data()
  } finally {
    counts.dispose()
  }
}

function checkTokens(tokens: number, exclude: ExcludedTokens): void {
  if (tokens > 0) return
  throw new ArgumentError(
    `latentDensity: no token of the data counts, with exclude ${JSON.stringify(exclude)}. Give text, or exclude less.`,
  )
}
