/**
 * The largest activation of every latent in every prompt of a data set, in one pass, in memory that grows with
 * latents · k and not with the data. F latents
 */
import type { DataPosition, TokenBatch, TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import type { HookedModel } from '../../lib/model.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentMaxima, type LatentMaxima } from '../latent-activations/latent-activations.js'
import { barOf, maxActivating } from './max-activating.js'
import { LatentPeaks, type FoundPeaks, type Peak } from './latent-peaks-result.js'
import { MaxActivating } from './max-activating-result.js'

export interface LatentPeaksOptions {
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
  /** Called after each batch; the default shows a bar on stderr where `limit` is given. */
  readonly onProgress?: (prompts: number, total: number | undefined) => void
}

/**
 * Each prompt is run once, up to the SAE.
 *
 * `await latentPeaks(model.withSaes(sae), data, { k: 5, dropLast: 1 })`
 * @throws ArgumentError, HookError before any run
 */
export async function latentPeaks(
  view: HookedModel,
  data: TokenData,
  options: LatentPeaksOptions = {},
): Promise<LatentPeaks> {
  const { k = 10, dropLast = 0, hook, limit } = options
  checkCounts('latentPeaks', { k, buffer: 0 })
  const latents = chosenLatents('latentPeaks', saeAt('latentPeaks', view, hook).sae, options.latents)
  const found = { latents, max: new Float32Array(latents.length), firing: new Int32Array(latents.length), prompts: 0, peaks: latents.map((): Peak[] => []) } // prettier-ignore
  const report = options.onProgress ?? barOf('latentPeaks: prompts', limit)
  for await (const { tokens, firstRow } of data.batches()) {
    const maxima = await latentMaxima(view, tokens, { latents, hook, dropLast })
    take(found, tokens, firstRow, maxima, k)
    found.prompts += tokens.batch
    await options.onBatch?.(maxima, firstRow)
    report(found.prompts, limit)
    if (found.prompts >= (limit ?? Infinity)) break
  }
  return new LatentPeaks(found, await view.provenance())
}

function take(
  { latents, max, firing, peaks }: FoundPeaks & { readonly peaks: Peak[][] },
  tokens: Tokens,
  firstRow: number,
  { maxima, positions }: LatentMaxima,
  k: number,
): void {
  for (let b = 0; b < tokens.batch; b++) {
    const start = tokens.mask?.[b]?.indexOf(1) ?? 0
    const ids = tokens.rows[b]!.filter((_, p) => tokens.mask?.[b]?.[p] !== 0)
    for (let f = 0; f < latents.length; f++) {
      const activation = maxima.values[b * latents.length + f]!
      if (activation <= 0) continue
      firing[f]!++
      max[f] = Math.max(max[f]!, activation)
      const own = peaks[f]!
      if (own.length === k && activation <= own[k - 1]!.activation) continue
      const place = own.findIndex((peak) => peak.activation < activation)
      const position = positions[b * latents.length + f]! - start
      own.splice(place < 0 ? own.length : place, 0, { prompt: firstRow + b, ids, position, activation })
      if (own.length > k) own.pop()
    }
  }
}

/**
 * The text around the largest activations of some latents, as `maxActivating` finds it in the kept prompts alone; those
 * within `buffer` tokens of a prompt's ends are left out. Rows are the prompts' numbers.
 * @throws ArgumentError for a latent that was not searched, or where none of them fires
 */
export async function peakExamples(
  view: HookedModel,
  found: FoundPeaks,
  options: { readonly latents: readonly number[]; readonly k?: number; readonly buffer?: number; readonly hook?: HookName }, // prettier-ignore
): Promise<MaxActivating> {
  const { latents, k = 5, buffer = 10, hook } = options
  const kept = latents.flatMap((latent) => peaksOf(found, latent).slice(0, k))
  const prompts = new Map(kept.map(({ prompt, ids }) => [prompt, ids] as const))
  const rows = [...prompts.keys()].sort((a, b) => a - b)
  if (rows.length === 0) {
    throw new ArgumentError(`peakExamples: latents ${latents.join(', ')} fire in none of the ${found.prompts} prompts. Give latents that fire.`) // prettier-ignore
  }
  const tokens = Tokens.padded(rows.map((row) => prompts.get(row)!), 0, 'right') // prettier-ignore
  const data: TokenData = { about: { prompts: found.prompts }, batches: () => oneBatch(tokens) }
  const examples = await maxActivating(view, data, { latents, k, buffer, hook, onProgress: () => undefined })
  const numbered = examples.examples.map((list) => list.map((one) => ({ ...one, row: rows[one.row]! })))
  return new MaxActivating(examples.about, numbered, examples.provenance)
}

function peaksOf(found: FoundPeaks, latent: number): readonly Peak[] {
  const peaks = found.peaks[found.latents.indexOf(latent)]
  if (peaks) return peaks
  throw new ArgumentError(`peakExamples: latent ${latent} was not searched. Search it with latentPeaks.`)
}

async function* oneBatch(tokens: Tokens): AsyncGenerator<TokenBatch> {
  yield { tokens, firstRow: 0, next: {} as DataPosition }
}
