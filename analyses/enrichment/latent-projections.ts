/** What latents write to every logit, one latent after the other on the host. D d_model · V vocabulary */
import * as tf from '@tensorflow/tfjs'
import type { AttachedSae } from '../../lib/core/view.js'
import type { HookedModel } from '../../lib/model.js'
import type { Sae } from '../../saes/index.js'
import { eachLatentLogits } from '../latent-logits.js'

/** Which latents, and how W_U is taken. */
export interface ProjectionOptions {
  readonly latents: readonly number[]
  /** Divide by the norms of W_U's columns, and by those alone, as SAELens does. @default false */
  readonly cosine?: boolean
}

/** One latent's projection. */
export interface LatentProjection {
  /** The latent's place in the list. */
  readonly place: number
  /** [V]; only good until the next is asked for. */
  readonly projection: Float32Array
}

/**
 * Each latent's projection on the unembedding, in their order. Some latents are held at a time, never latents ×
 * vocabulary.
 * @throws MismatchError as `latentDirections`
 */
export async function* eachProjection(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  { latents, cosine = false }: ProjectionOptions,
): AsyncGenerator<LatentProjection> {
  const scale = cosine ? tf.tidy(() => tf.div(1, columnNorms(view))) : undefined
  try {
    for await (const { logits, first } of eachLatentLogits(view, attached, latents)) {
      const values = await numbersOf(logits, scale)
      const [count, width] = logits.shape
      for (let i = 0; i < count; i++) {
        yield { place: first + i, projection: values.subarray(i * width, (i + 1) * width) }
      }
    }
  } finally {
    scale?.dispose()
  }
}

async function numbersOf(logits: tf.Tensor2D, scale: tf.Tensor | undefined): Promise<Float32Array> {
  if (!scale) return logits.data<'float32'>()
  const scaled = tf.mul<tf.Tensor2D>(logits, scale)
  try {
    return await scaled.data<'float32'>()
  } finally {
    scaled.dispose()
  }
}

/** [V] */
function columnNorms(view: HookedModel): tf.Tensor {
  return tf.tidy(() => view.copyWeight('unembed.W_U').square().sum(0).sqrt())
}
