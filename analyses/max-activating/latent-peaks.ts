/**
 * The largest activation of every latent in every prompt of a data set, in one pass, in memory that grows with
 * latents · k and not with the data. F latents
 */
import type { HookName } from '../../lib/core/hooks.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import type { TokenData } from '../../lib/data/token-data.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentMaxima, type LatentMaxima } from '../latent-activations/index.js'
import { LatentPeaks, type FoundPeaks, type LatentPeak } from './latent-peaks-result.js'

/** Which latents and prompts `latentPeaks` looks at. */
export interface LatentPeaksOptions extends ProgressOptions {
  /** @default all latents of the SAE */
  readonly latents?: readonly number[]
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
  /** Prompts kept of each latent. @default 10 */
  readonly k?: number
  /** Leave so many tokens at the end of each prompt out. @default 0 */
  readonly dropLast?: number
  /** Stop after so many prompts, at the end of a batch. @default all */
  readonly limit?: number
  /** Sees what each batch has, [prompt, latent], before it is let go: to write it to a file, say. */
  readonly onBatch?: (maxima: LatentMaxima, firstPrompt: number) => void | Promise<void>
}

const optionNames: OptionNames<LatentPeaksOptions> = {
  ...progressOptionNames,
  latents: true,
  hook: true,
  k: true,
  dropLast: true,
  limit: true,
  onBatch: true,
}

/**
 * The largest activation of each latent over all prompts, in how many prompts it fires, and the prompts of its k
 * largest. Each prompt is run once, up to the SAE. Progress counts prompts.
 *
 * @example
 * const peaks = await latentPeaks(model.withSaes(sae), data, { k: 5, dropLast: 1 })
 * peaks.print()
 * @throws ArgumentError, HookError before any run
 */
export async function latentPeaks(
  view: HookedModel,
  data: TokenData,
  options: LatentPeaksOptions = {},
): Promise<LatentPeaks> {
  checkOptions('latentPeaks', options, optionNames)
  const { k = 10, dropLast = 0, hook, limit = Infinity, signal, onBatch } = options
  checkCounts('latentPeaks', { k, buffer: 0 })
  const latents = chosenLatents('latentPeaks', saeAt('latentPeaks', view, hook).sae, options.latents)
  const growing = latents.map(() => new GrowingPeaks(k))
  let prompts = 0
  using report = jobProgress('latentPeaks: prompts', options, limit)
  for await (const { tokens, firstRow } of data.batches()) {
    const maxima = await latentMaxima(view, tokens, { latents, hook, dropLast, onProgress: false })
    takeMaxima(growing, maxima, { tokens, firstRow })
    prompts += tokens.batch
    await onBatch?.(maxima, firstRow)
    report(prompts)
    signal?.throwIfAborted()
    if (prompts >= limit) break
  }
  const found: FoundPeaks = {
    latents,
    max: Float32Array.from(growing, ({ max }) => max),
    firing: Int32Array.from(growing, ({ firing }) => firing),
    prompts,
    peaks: growing.map(({ peaks }) => peaks),
  }
  return new LatentPeaks(found, await view.provenance())
}

/** The peaks of one latent so far. */
class GrowingPeaks {
  max = 0
  firing = 0
  readonly peaks: LatentPeak[] = []
  readonly #k: number

  constructor(k: number) {
    this.#k = k
  }

  /** Counts a prompt in which the latent fires, and keeps it if it is among the k largest. */
  take(peak: LatentPeak): void {
    const { activation } = peak
    this.firing++
    this.max = Math.max(this.max, activation)
    const last = this.peaks[this.#k - 1]
    if (last && activation <= last.activation) return
    const place = this.peaks.findIndex((other) => other.activation < activation)
    this.peaks.splice(place < 0 ? this.peaks.length : place, 0, peak)
    if (this.peaks.length > this.#k) this.peaks.pop()
  }
}

function takeMaxima(
  growing: readonly GrowingPeaks[],
  { values, positions }: LatentMaxima,
  { tokens, firstRow }: { readonly tokens: Tokens; readonly firstRow: number },
): void {
  for (const [b, row] of tokens.rows.entries()) {
    const mask = tokens.mask?.[b]
    const start = mask?.indexOf(1) ?? 0
    const ids = row.filter((_, p) => mask?.[p] !== 0)
    for (const [f, own] of growing.entries()) {
      const i = b * growing.length + f
      const activation = values[i] ?? 0
      if (activation > 0) own.take({ prompt: firstRow + b, ids, position: (positions[i] ?? 0) - start, activation })
    }
  }
}
