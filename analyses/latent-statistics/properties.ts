/** What an SAE's weights say of its latents, without the model's unembedding. S latents · D d_in */
import * as tf from '@tensorflow/tfjs'
import { MismatchError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { Result } from '../../lib/report/result/result.js'
import type { Sae } from '../../saes/index.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { describe, latentAxis } from './latent-statistics.js'

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

/**
 * Axes [latent, property], of all latents of an SAE:
 * - `log sparsity`: log10 of how often it fires; NaN where the SAE's folder does not tell;
 * - `decoder on encoder`: SAELens' `d_e_projection`, Σ_d W_dec[s,d] · W_enc[d,s] / ‖W_enc[d,:]‖. The norm is that of a
 *   row of W_enc, over all latents;
 * - `cosine of decoder and encoder`: the cosine between the latent's two directions; 0 where one of them is 0;
 * - `b_enc` (0 where the SAE has none); `b_dec on decoder`: b_dec · W_dec[s];
 * - `dead`: 1 where log sparsity is below −9, else 0; NaN where it is not known.
 * @throws MismatchError for a transcoder, whose decoder writes elsewhere than its encoder reads
 */
export async function latentProperties(view: HookedModel, options: { hook?: HookName } = {}): Promise<Result> {
  const attached = saeAt('latentProperties', view, options.hook)
  const { sae } = attached
  if (sae.hookNameOut !== undefined) {
    throw new MismatchError(
      `latentProperties: '${sae.label}' reads at ${sae.hookName} and writes at ${sae.hookNameOut}. Use an SAE that writes where it reads.`,
    )
  }
  const saes = [describe(attached, 0, chosenLatents('latentProperties', sae, undefined))]
  const [projection, cosine, bEnc, bDec] = await numbers(weightProperties(sae))
  const sparsity = sae.logSparsity ?? new Float32Array(sae.config.dSae).fill(NaN)
  const rows = Array.from(sparsity, (log, s) => {
    const dead = Number.isNaN(log) ? NaN : Number(log < DEAD_BELOW)
    return [log, projection![s]!, cosine![s]!, bEnc![s]!, bDec![s]!, dead]
  })
  return new Result({
    kind: 'latent properties',
    title: `latents of ${sae.label}`,
    unit: '',
    values: Float32Array.from(rows.flat()),
    axes: [latentAxis(saes), { name: 'property', labels: latentPropertyNames }],
    provenance: await view.provenance(),
    notes: sae.logSparsity ? [] : ['The SAE was loaded without its sparsity: log sparsity and dead are not known.'],
    extra: { saes: saes as unknown as JsonObject[] },
  })
}

/** Four vectors [S], the caller's. */
function weightProperties(sae: Sae): tf.Tensor[] {
  return tf.tidy(() => {
    const [enc, dec] = [sae.W_enc, sae.W_dec]
    const encT = enc.transpose()
    const rowNorms = enc.square().sum(1).sqrt()
    const products = dec.mul(encT)
    const norms = dec.square().sum(1).mul(encT.square().sum(1)).sqrt()
    const zero = tf.zerosLike(norms)
    const bEnc = 'b_enc' in sae.weightShapes() ? sae.weight('b_enc').clone() : zero
    const perRow = tf.where(rowNorms.greater(0), rowNorms, tf.onesLike(rowNorms))
    const perLatent = tf.where(norms.greater(0), norms, tf.onesLike(norms))
    const onDecoder = tf.matMul(dec, sae.b_dec.reshape([-1, 1])).reshape([-1])
    return [products.div(perRow).sum(1), products.sum(1).div(perLatent), bEnc, onDecoder]
  })
}

async function numbers(tensors: tf.Tensor[]): Promise<tf.TypedArray[]> {
  try {
    return await Promise.all(tensors.map((x) => x.data()))
  } finally {
    tf.dispose(tensors)
  }
}
