/** The tokens a latent speaks for and against: its largest and smallest direct effects on the logits. */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../lib/hooks.js'
import type { HookedModel } from '../lib/model.js'
import type { JsonObject } from '../lib/report/json.js'
import type { Provenance } from '../lib/report/provenance.js'
import { Table } from '../lib/report/table.js'
import { checkCounts } from '../lib/stats/k-largest.js'
import { chosenLatents, encoderAt } from './encoders.js'
import { eachLatentLogits } from './latent-logits.js'

export interface TopLogitsOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** Tokens at each end. @default 10 */
  readonly k?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

export interface TokenLogit {
  readonly id: number
  readonly token: string
  /** What a unit of the latent adds to the token's logit. */
  readonly logit: number
}

export interface LatentLogits {
  readonly latent: number
  /** The largest first. */
  readonly top: readonly TokenLogit[]
  /** The smallest first. */
  readonly bottom: readonly TokenLogit[]
}

/**
 * The k tokens whose logits each latent raises most and the k it lowers most (or raises least), by W_dec · W_U; see
 * latent-logits.ts for SAEs inside attention and MLPs.
 * @throws ArgumentError, HookError; MismatchError for an SAE whose latents have no direct way to the logits
 */
export async function topLogits(view: HookedModel, options: TopLogitsOptions = {}): Promise<TopLogits> {
  const encoder = encoderAt('topLogits', view, options.hook)
  const latents = chosenLatents('topLogits', encoder.sae, options.latents)
  const k = Math.min(options.k ?? 10, view.config.dVocab)
  checkCounts('topLogits', { k })
  const found: LatentLogits[] = []
  await eachLatentLogits(view, encoder, latents, async (logits, first) => {
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
      return { id, token: view.tokenizer?.tokenString(id) ?? String(id), logit: factor * numbers[i]! }
    }
    return Array.from({ length: logits.shape[0] }, (_, row) => Array.from({ length: k }, (_, i) => one(row * k + i)))
  } finally {
    tf.dispose([values!, indices!])
  }
}

/** Plain records, and tables of them. */
export class TopLogits {
  /** In the order asked for. */
  readonly latents: readonly LatentLogits[]
  readonly provenance: Provenance

  constructor(latents: readonly LatentLogits[], provenance: Provenance) {
    this.latents = latents
    this.provenance = provenance
  }

  /** `1.  went (1.48)` … in two columns, or in two for each latent. */
  toTable(): Table {
    const columns = this.latents.flatMap(({ latent, top, bottom }) => [
      { name: `${latent}: most raised`, cells: top.map(cell) },
      { name: `${latent}: most lowered`, cells: bottom.map(cell) },
    ])
    const rows = (columns[0]?.cells ?? []).map((_, i) => columns.map(({ cells }) => cells[i]!))
    return new Table(columns.map(({ name }) => name), rows, { title: 'direct effect of a unit of a latent on the logits' }) // prettier-ignore
  }

  print(): void {
    this.toTable().print()
  }

  toJSON(): JsonObject {
    const plain = (list: readonly TokenLogit[]) => list.map((one) => ({ ...one }))
    const latents = this.latents.map(({ latent, top, bottom }) => ({ latent, top: plain(top), bottom: plain(bottom) }))
    return { format: 'tfjs-lens-top-logits', version: 1, latents, provenance: { ...this.provenance } }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toTable().toString()
  }
}

/** A place in the list, a token and its logit, as the notebooks print them. */
export function cell({ token, logit }: TokenLogit, i: number): string {
  return `${i + 1}. ${token} (${logit.toFixed(2)})`
}
