/** What an SAE's weights say of its latents, without the model's unembedding. S latents · D d_in */
import * as tf from '@tensorflow/tfjs'
import { MismatchError } from '../../lib/errors/errors.js'
import { checkOptions } from '../../lib/errors/options.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import type { Sae } from '../../saes/index.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentAxis, saeLatents } from '../sae-latents.js'
import { LatentStatistics } from './latent-statistics-result.js'

/** The places of the axis `property`. */
export const latentPropertyNames = [
  'log sparsity',
  'decoder on encoder',
  'cosine of decoder and encoder',
  'b_enc',
  'b_dec on decoder',
  'dead',
] as const

/** log10 of the share of tokens below which a latent counts as dead. */
export const DEAD_BELOW = -9

/** Which SAE `latentProperties` looks at. */
export interface LatentPropertiesOptions {
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * Axes [latent, property], of all latents of an SAE:
 * - `log sparsity`: log10 of how often it fires; NaN where the SAE's folder does not say;
 * - `decoder on encoder`: SAELens' `d_e_projection`, Σ_d W_dec[s,d] · W_enc[d,s] / ‖W_enc[d,:]‖. The norm is that of a
 *   row of W_enc, over all latents;
 * - `cosine of decoder and encoder`: the cosine between the latent's two directions; 0 where one of them is 0;
 * - `b_enc` (0 where the SAE has none); `b_dec on decoder`: b_dec · W_dec[s];
 * - `dead`: 1 where log sparsity is below −9, else 0; NaN where it is not known.
 *
 * Source: `get_feature_property_df` of SAELens 3 (sae_lens/analysis/feature_statistics.py).
 * @example latentsBy(await latentProperties(model.withSaes(sae)), 'b_enc', { by: 'smallest', k: 5 }).print()
 * @throws HookError, ArgumentError; MismatchError for a transcoder, whose decoder writes elsewhere than its encoder
 *   reads
 */
export async function latentProperties(
  view: HookedModel,
  options: LatentPropertiesOptions = {},
): Promise<LatentStatistics> {
  checkOptions('latentProperties', options, { hook: true })
  const attached = saeAt('latentProperties', view, options.hook)
  const { sae } = attached
  checkWrites(sae)
  const saes = [saeLatents(attached, chosenLatents('latentProperties', sae, undefined))]
  const { projection, cosine, bEnc, bDec } = await numbersOf(weightProperties(sae))
  const sparsity = sae.logSparsity ?? new Float32Array(sae.config.dSae).fill(NaN)
  const dead = sparsity.map((log) => (Number.isNaN(log) ? NaN : Number(log < DEAD_BELOW)))
  const columns = [sparsity, projection, cosine, bEnc, bDec, dead]
  return new LatentStatistics({
    kind: 'latent properties',
    title: `latents of ${sae.label}`,
    unit: '',
    values: Float32Array.from({ length: sparsity.length * columns.length }, (_, i) => {
      return columns[i % columns.length]?.[Math.floor(i / columns.length)] ?? NaN
    }),
    axes: [latentAxis(saes), { name: 'property', labels: latentPropertyNames }],
    provenance: await view.provenance(),
    notes: sae.logSparsity ? [] : ['The SAE was loaded without its sparsity: log sparsity and dead are not known.'],
    extra: { saes },
  })
}

function checkWrites({ label, hookName, hookNameOut }: Sae): void {
  if (hookNameOut === undefined) return
  throw new MismatchError(
    `latentProperties: '${label}' reads at ${hookName} and writes at ${hookNameOut}. Use an SAE that writes where it ` +
      'reads.',
  )
}

/** Four vectors [S], the caller's. */
function weightProperties(sae: Sae): Record<'projection' | 'cosine' | 'bEnc' | 'bDec', tf.Tensor> {
  return tf.tidy(() => {
    const [enc, dec] = [sae.W_enc, sae.W_dec]
    const encT = enc.transpose()
    const rowNorms = enc.square().sum(1).sqrt()
    const products = dec.mul(encT)
    const norms = dec.square().sum(1).mul(encT.square().sum(1)).sqrt()
    const bEnc = 'b_enc' in sae.weightShapes() ? sae.weight('b_enc').clone() : tf.zerosLike(norms)
    const perRow = tf.where(rowNorms.greater(0), rowNorms, tf.onesLike(rowNorms))
    const perLatent = tf.where(norms.greater(0), norms, tf.onesLike(norms))
    return {
      projection: products.div(perRow).sum(1),
      cosine: products.sum(1).div(perLatent),
      bEnc,
      bDec: tf.matMul(dec, sae.b_dec.reshape([-1, 1])).reshape([-1]),
    }
  })
}

/** The numbers of named tensors, which are freed. */
async function numbersOf<Name extends string>(tensors: Record<Name, tf.Tensor>): Promise<Record<Name, Float32Array>> {
  try {
    const read = Object.entries<tf.Tensor>(tensors).map(async ([name, x]) => [name, await x.data()] as const)
    return Object.fromEntries(await Promise.all(read)) as Record<Name, Float32Array>
  } finally {
    tf.dispose(tensors)
  }
}
