/** The tokens a latent speaks for and against: its largest and smallest direct effects on the logits. */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { tokenLabel } from '../../lib/core/labels.js'
import { eachLatentLogits } from '../latent-logits.js'
import { TopLogits, type LatentLogits, type TokenLogit } from './top-logits-result.js'

export interface TopLogitsOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** Tokens at each end. @default 10 */
  readonly k?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * The k tokens whose logits each latent raises most and the k it lowers most (or raises least), by W_dec · W_U; see
 * latent-logits.ts for SAEs inside attention and MLPs.
 * @throws ArgumentError, HookError; MismatchError for an SAE whose latents have no direct way to the logits
 */
export async function topLogits(view: HookedModel, options: TopLogitsOptions = {}): Promise<TopLogits> {
  const attached = saeAt('topLogits', view, options.hook)
  const latents = chosenLatents('topLogits', attached.sae, options.latents)
  const k = Math.min(options.k ?? 10, view.config.dVocab)
  checkCounts('topLogits', { k })
  const found: LatentLogits[] = []
  await eachLatentLogits(view, attached, latents, async (logits, first) => {
    const tops = await ends(view, logits, k)
    const bottoms = await ends(view, logits, k, -1)
    tops.forEach((top, i) => found.push({ latent: latents[first + i]!, top, bottom: bottoms[i]! }))
  })
  return new TopLogits(found, await view.provenance())
}

/** The k largest of each row, or with the factor −1 the k smallest. */
async function ends(view: HookedModel, logits: tf.Tensor2D, k: number, factor = 1): Promise<TokenLogit[][]> {
  const [values, indices] = tf.tidy(() => {
    const top = tf.topk(factor === 1 ? logits : logits.neg(), k)
    return [top.values, top.indices]
  })
  try {
    const [numbers, ids] = [await values!.data(), await indices!.data()]
    const one = (i: number): TokenLogit => {
      const id = ids[i]!
      return { id, token: tokenLabel(view.tokenizer, id), logit: factor * numbers[i]! }
    }
    return Array.from({ length: logits.shape[0] }, (_, row) => Array.from({ length: k }, (_, i) => one(row * k + i)))
  } finally {
    tf.dispose([values!, indices!])
  }
}
