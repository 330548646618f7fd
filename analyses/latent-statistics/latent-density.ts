/** How often latents fire on text, for SAEs that come without their sparsity. B rows · P positions · F latents */
import * as tf from '@tensorflow/tfjs'
import { keeps, sitesOf, specialIds, type Exclude } from '../../lib/data/excluded.js'
import type { TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import { Result } from '../../lib/report/result/result.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentsOf } from '../latent-source.js'

export interface LatentDensityOptions {
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
  /** Tokens that do not count; what only fills up a row never counts. @default 'special' */
  readonly exclude?: Exclude
  /** Called after each batch. */
  readonly onProgress?: (rows: number) => void
}

/**
 * log10 of the share of tokens on which each latent of an SAE fires, plus 1e-10, so that a dead one has −10: what
 * SAELens saves as sparsity, and `evaluateSae` gives with much else. Axes [latent]. One pass over the data, in which the
 * model runs up to the SAE only. `sae.logSparsity = (await latentDensity(view, data)).values` makes it known to
 * `latentStatistics`.
 * @throws ArgumentError, HookError; ArgumentError for data of which no token counts
 */
export async function latentDensity(
  view: HookedModel,
  data: TokenData,
  options: LatentDensityOptions = {},
): Promise<Result> {
  const { exclude = 'special' } = options
  const attached = saeAt('latentDensity', view, options.hook)
  const latents = chosenLatents('latentDensity', attached.sae, undefined)
  const keep = keeps('latentDensity', exclude, specialIds(view.tokenizer))
  const provenance = await view.provenance()
  const source = latentsOf(view, attached, latents, 'hook_sae_acts_post', provenance.hooks ?? [])
  const fired = new Float64Array(latents.length)
  let tokens = 0
  for await (const batch of data.batches()) {
    const { positions } = batch.tokens
    const { index } = sitesOf(batch, keep)
    tokens += index.length
    const counted = new Uint8Array(batch.tokens.batch * positions)
    for (const place of index) counted[place] = 1
    await source.each(batch.tokens, async (acts, row) => {
      const inRows = counted.subarray(row * positions, (row + acts.shape[0]) * positions)
      const counts = tf.tidy(() => {
        const mask = tf.tensor2d(Float32Array.from(inRows), [1, inRows.length])
        const fires = acts.greater(0).toFloat().reshape<tf.Tensor2D>([-1, latents.length])
        return tf.matMul(mask, fires)
      })
      const numbers = await counts.data()
      counts.dispose()
      for (let f = 0; f < fired.length; f++) fired[f]! += numbers[f]!
    })
    options.onProgress?.(batch.firstRow + batch.tokens.batch)
  }
  if (tokens === 0) {
    throw new ArgumentError(`latentDensity: no token of the data counts, with exclude ${JSON.stringify(exclude)}. Give text, or exclude less.`) // prettier-ignore
  }
  return new Result({
    kind: 'latent density',
    title: `density of the latents of ${attached.sae.label}`,
    unit: 'log10 of the share of tokens',
    values: Float32Array.from(fired, (count) => Math.log10(count / tokens + 1e-10)),
    axes: [{ name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }],
    provenance,
    extra: { data: data.about, tokens, exclude: exclude as string | number[] },
  })
}
