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
  using report = jobProgress('topLogits: latents', options, latents.length)
  const found: LatentLogits[] = []
  for await (const { logits, first } of eachLatentLogits(view, attached, latents)) {
    const named = (ends: RankedTokens, sign: 1 | -1) => (row: number) => tokensOf(view, ends, { row, k, sign })
    const [top, bottom] = [named(await largest(logits, k), 1), named(await smallest(logits, k), -1)]
    const some = latents.slice(first, first + logits.shape[0])
    for (const [row, latent] of some.entries()) found.push({ latent, top: top(row), bottom: bottom(row) })
    report(found.length)
    options.signal?.throwIfAborted()
  }
  return new TopLogits(found, await view.provenance())
}

/** The k tokens of each row that rank first, and their logits [f · k]. */
interface RankedTokens {
  readonly logits: ArrayLike<number>
  readonly ids: ArrayLike<number>
}

/** Those of one row, by name. */
function tokensOf(
  { tokenizer }: HookedModel,
  { logits, ids }: RankedTokens,
  { row, k, sign }: { readonly row: number; readonly k: number; readonly sign: 1 | -1 },
): TokenLogit[] {
  return Array.from({ length: k }, (_, i) => {
    const id = ids[row * k + i] ?? -1
    return { id, token: tokenLabel(tokenizer, id), logit: sign * (logits[row * k + i] ?? NaN) }
  })
}

/** The k largest of each row, in order. */
async function largest(x: tf.Tensor2D, k: number): Promise<RankedTokens> {
  const { values, indices } = tf.topk(x, k)
  try {
    return { logits: await values.data(), ids: await indices.data() }
  } finally {
    tf.dispose([values, indices])
  }
}

/** The k smallest of each row, the smallest first; their logits have the other sign. */
async function smallest(x: tf.Tensor2D, k: number): Promise<RankedTokens> {
  const negated = x.neg<tf.Tensor2D>()
  try {
    return await largest(negated, k)
  } finally {
    negated.dispose()
  }
}
