/** The tokens a latent speaks for and against: its largest and smallest direct effects on the logits. */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../../lib/core/hooks.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { tokenLabel } from '../../lib/core/labels.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { eachLatentLogits } from '../latent-logits.js'
import { TopLogits, type LatentLogits, type TokenLogit } from './top-logits-result.js'

/** Which latents `topLogits` looks at. */
export interface TopLogitsOptions extends ProgressOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** Tokens at each end. @default 10 */
  readonly k?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

const optionNames: OptionNames<TopLogitsOptions> = { ...progressOptionNames, latents: true, k: true, hook: true }

/**
 * The k tokens whose logits each latent raises most and the k it lowers most (or raises least), by W_dec · W_U; see
 * latent-logits.ts for SAEs inside attention and MLPs. Progress counts latents.
 *
 * @example (await topLogits(model.withSaes(sae), { latents: [12], k: 5 })).print()
 * @throws ArgumentError, HookError; MismatchError for an SAE whose latents have no direct way to the logits
 */
export async function topLogits(view: HookedModel, options: TopLogitsOptions = {}): Promise<TopLogits> {
  checkOptions('topLogits', options, optionNames)
  const attached = saeAt('topLogits', view, options.hook)
  const latents = chosenLatents('topLogits', attached.sae, options.latents)
  const k = Math.min(options.k ?? 10, view.config.dVocab)
  checkCounts('topLogits', { k })
  const label = (id: number) => tokenLabel(view.tokenizer, id)
  using report = jobProgress('topLogits: latents', options, latents.length)
  const found: LatentLogits[] = []
  for await (const { logits, first } of eachLatentLogits(view, attached, latents)) {
    const [tops, bottoms] = [await largest(logits, k), await smallest(logits, k)]
    for (const [i, latent] of latents.slice(first, first + logits.shape[0]).entries()) {
      const named = (ends: TokenEnd[][]) => (ends[i] ?? []).map((end): TokenLogit => ({ ...end, token: label(end.id) }))
      found.push({ latent, top: named(tops), bottom: named(bottoms) })
    }
    report(found.length)
    options.signal?.throwIfAborted()
  }
  return new TopLogits(found, await view.provenance())
}

type TokenEnd = Omit<TokenLogit, 'token'>

/** The k largest of each row, in order. */
async function largest(logits: tf.Tensor2D, k: number): Promise<TokenEnd[][]> {
  const { values, indices } = tf.topk(logits, k)
  try {
    const [numbers, ids] = [await values.data(), await indices.data()]
    const ends = Array.from(numbers, (logit, i): TokenEnd => ({ id: ids[i] ?? -1, logit }))
    return Array.from({ length: logits.shape[0] }, (_, row) => ends.slice(row * k, (row + 1) * k))
  } finally {
    tf.dispose([values, indices])
  }
}

/** The k smallest of each row, the smallest first. */
async function smallest(logits: tf.Tensor2D, k: number): Promise<TokenEnd[][]> {
  const negated = logits.neg<tf.Tensor2D>()
  try {
    return (await largest(negated, k)).map((row) => row.map(({ id, logit }) => ({ id, logit: -1 * logit })))
  } finally {
    negated.dispose()
  }
}
