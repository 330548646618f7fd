/**
 * What a unit of a latent adds to every logit by the direct path: W_dec[latent] · W_U, where the SAE reads the
 * residual stream; W_dec · W_O · W_U for one of attn.hook_z, W_dec · W_out · W_U for one of mlp.hook_post. Norms are
 * left out: the final norm's scale, and norms after attention and MLPs where a model has them.
 * F latents · S all latents · D d_model · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import { MismatchError } from '../lib/errors/errors.js'
import type { AttachedSae } from '../lib/core/view.js'
import type { Sae } from '../saes/index.js'
import type { HookedModel } from '../lib/model.js'
import { writerOf } from '../lib/transformer/writers.js'
import { plainPoint } from '../lib/core/splice.js'

/** Numbers of logits that one step may hold: 20 MiB, little enough that the allocators of both sides reuse it. */
const STEP = 5 * 2 ** 20

/**
 * What a unit of each latent writes to the residual stream, [F,D]. The caller owns it.
 * @throws MismatchError where what the SAE writes reaches the stream by no single matrix
 */
export function latentDirections(
  view: HookedModel,
  { sae, writesAt }: AttachedSae<Sae>,
  latents: readonly number[],
): tf.Tensor2D {
  const through = matrixAfter(view, writesAt)
  return tf.tidy(() => {
    const rows = sae.writes({ latents }).directions
    if (through === undefined) return rows
    return tf.matMul(rows, view.copyWeight(through).reshape<tf.Tensor2D>([-1, view.config.dModel]))
  })
}

/** The matrix between a hook point and the residual stream; undefined when the point is on it. */
function matrixAfter(view: HookedModel, site: string): string | undefined {
  const writer = writerOf(plainPoint(site), new Set(view.hookNames))
  if (writer && !writer.sumsHeads) return writer.matrix
  throw new MismatchError(
    `latentLogits: what is written at '${site}' has no single way to the logits. Use an SAE of the residual stream, ` +
      'of attention or MLP outputs, of attn.hook_z or of mlp.hook_post.',
  )
}

/** Some latents' logits, freed once the next are asked for. */
interface LatentLogitsPart {
  /** [f,V] */
  readonly logits: tf.Tensor2D
  /** The place of the first of these latents in the list. */
  readonly first: number
}

/**
 * What a unit of each latent adds to each logit, some latents at a time.
 * @throws MismatchError as `latentDirections`
 */
export async function* eachLatentLogits(
  view: HookedModel,
  attached: AttachedSae<Sae>,
  latents: readonly number[],
): AsyncGenerator<LatentLogitsPart> {
  const size = Math.max(1, Math.floor(STEP / view.config.dVocab))
  const { unembedding } = view.weights // not weight('unembed.W_U'), which is made again and again where it is tied
  const directions = latentDirections(view, attached, latents)
  try {
    for (let first = 0; first < latents.length; first += size) {
      const some = Math.min(size, latents.length - first)
      const logits = tf.tidy(() => unembedding.times(directions.slice([first, 0], [some, -1]))) as tf.Tensor2D
      try {
        yield { logits, first }
      } finally {
        logits.dispose()
      }
    }
  } finally {
    directions.dispose()
  }
}
