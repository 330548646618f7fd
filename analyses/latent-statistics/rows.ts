/** What latents write to every logit, one latent after the other on the host. D d_model · V vocabulary */
import * as tf from '@tensorflow/tfjs'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'
import { eachLatentLogits } from '../latent-logits.js'

export interface RowOptions {
  /** Divide by the norms of W_U's columns, and by those alone, as SAELens does. @default false */
  readonly cosine?: boolean
  /** After some latents: how many more are done. */
  readonly onProgress?: (latents: number) => void
}

/**
 * Calls `use` with each latent's projection on the unembedding, [V]. Some latents are held at a time, never latents ×
 * vocabulary.
 * @param use gets the projection, which is only good until it is done, and the latent's place in the list
 * @throws MismatchError as `latentDirections`
 */
export async function eachProjection(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  latents: readonly number[],
  { cosine = false, onProgress }: RowOptions,
  use: (projection: Float32Array, place: number) => unknown,
): Promise<void> {
  const scale = cosine ? tf.tidy(() => tf.div(1, columnNorms(view))) : undefined
  try {
    await eachLatentLogits(view, attached, latents, async (logits, first) => {
      const values = await numbersOf(logits, scale)
      const [count, width] = logits.shape
      for (let i = 0; i < count; i++) await use(values.subarray(i * width, (i + 1) * width), first + i)
      onProgress?.(count)
    })
  } finally {
    scale?.dispose()
  }
}

async function numbersOf(logits: tf.Tensor2D, scale: tf.Tensor | undefined): Promise<Float32Array> {
  if (!scale) return logits.data<'float32'>()
  const scaled = tf.mul(logits, scale)
  try {
    return (await scaled.data()) as Float32Array
  } finally {
    scaled.dispose()
  }
}

/** [V] */
function columnNorms(view: HookedModel): tf.Tensor {
  return tf.tidy(() => view.copyWeight('unembed.W_U').square().sum(0).sqrt())
}
