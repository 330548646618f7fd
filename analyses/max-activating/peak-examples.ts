/** The text around latents' largest activations, out of the prompts that `latentPeaks` has kept. */
import type { HookName } from '../../lib/core/hooks.js'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import type { TokenBatch, TokenData } from '../../lib/data/token-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import type { FoundPeaks, LatentPeak } from './latent-peaks-result.js'
import { MaxActivating } from './max-activating-result.js'
import { maxActivating } from './max-activating.js'

/** Which peaks `peakExamples` shows. */
export interface PeakExamplesOptions extends ProgressOptions {
  /** Some of those that were searched. */
  readonly latents: readonly number[]
  /** Examples of each. @default 5 */
  readonly k?: number
  /** Tokens shown before and after each example. @default 10 */
  readonly buffer?: number
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

const optionNames: OptionNames<PeakExamplesOptions> = {
  ...progressOptionNames,
  latents: true,
  k: true,
  buffer: true,
  hook: true,
}

/**
 * The text around the largest activations of some latents, as `maxActivating` finds it in the kept prompts alone; those
 * within `buffer` tokens of a prompt's ends are left out. Rows are the prompts' numbers.
 *
 * @example (await peakExamples(view, await latentPeaks(view, data), { latents: [87], buffer: 4 })).print()
 * @throws ArgumentError for a latent that was not searched, or where none of them fires
 */
export async function peakExamples(
  view: HookedModel,
  found: FoundPeaks,
  options: PeakExamplesOptions,
): Promise<MaxActivating> {
  checkOptions('peakExamples', options, optionNames)
  const { latents, k = 5, buffer = 10, hook, onProgress, signal } = options
  const kept = latents.flatMap((latent) => peaksOf(found, latent).slice(0, k))
  const byPrompt = new Map(kept.map(({ prompt, ids }) => [prompt, ids] as const))
  const prompts = [...byPrompt].sort(([a], [b]) => a - b)
  if (prompts.length === 0) {
    throw new ArgumentError(
      `peakExamples: latents ${latents.join(', ')} fire in none of the ${found.prompts} prompts. Give latents that ` +
        'fire.',
    )
  }
  const tokens = Tokens.padded(
    prompts.map(([, ids]) => ids),
    0,
    'right',
  )
  const data: TokenData = { about: { prompts: found.prompts }, batches: () => oneBatch(tokens) }
  const searched = await maxActivating(view, data, { latents, k, buffer, hook, onProgress, signal })
  const examples = searched.examples.map((list) =>
    list.map((example) => ({ ...example, row: prompts[example.row]?.[0] ?? -1 })),
  )
  return new MaxActivating(searched.about, examples, searched.provenance)
}

function peaksOf(found: FoundPeaks, latent: number): readonly LatentPeak[] {
  const peaks = found.peaks[found.latents.indexOf(latent)]
  if (peaks) return peaks
  throw new ArgumentError(`peakExamples: latent ${latent} was not searched. Search it with latentPeaks.`)
}

async function* oneBatch(tokens: Tokens): AsyncGenerator<TokenBatch> {
  yield { tokens, firstRow: 0, next: {} }
}
