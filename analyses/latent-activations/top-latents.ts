/** Which latents are among the largest at one position, counted over prompts. F latents */
import { z } from 'zod'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { latentsAt, latentsAtNames, type LatentsAtOptions } from './latent-activations.js'

/** Which latents `topLatents` counts, and where. */
export interface TopLatentsOptions extends LatentsAtOptions {
  /** How many of each prompt. @default 5 */
  readonly k?: number
}

const optionNames: OptionNames<TopLatentsOptions> = { ...latentsAtNames, k: true }

type About = {
  readonly k: number
  readonly point: string
  readonly each: readonly (readonly number[])[]
}

/** Axes [latent], prompts: what `topLatents` returns. */
export class TopLatents extends Result<About> {
  static override readonly format: string = 'tfjs-lens-top-latents'
  static readonly extraSchema: z.ZodType<About> = z.object({
    k: z.int(),
    point: z.string(),
    each: z.array(z.array(z.int())),
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): TopLatents {
    return new TopLatents(readResult(value, TopLatents))
  }

  /** How many of each prompt count. */
  get k(): number {
    return this.extra.k
  }

  /** The latents of each prompt, the largest first. */
  get each(): readonly (readonly number[])[] {
    return this.extra.each
  }

  /** The latents in the order of the axis. */
  get latents(): number[] {
    return (this.axes[0]?.labels ?? []).map((label) => Number(label.replace('latent ', '')))
  }
}

/**
 * On how many prompts each latent is among the k largest at the position: axes [latent], prompts; only latents that
 * are, the most frequent first, of equals the one met first (prompt by prompt, the largest first). Of
 * `hook_sae_acts_post` only latents above 0 count. Where no latent fires anywhere, the axis is empty.
 *
 * @example
 * const tops = await topLatents(model.withSaes(sae), prompts, { k: 3 })
 * console.log(tops.latents, tops.each[0])
 * @throws ArgumentError, HookError
 */
export async function topLatents(
  view: HookedModel,
  prompts: Prompts,
  options: TopLatentsOptions = {},
): Promise<TopLatents> {
  checkOptions('topLatents', options, optionNames)
  const { k = 5, point = 'hook_sae_acts_post', ...rest } = options
  checkCounts('topLatents', { k })
  const acts = await latentsAt(view, prompts, { ...rest, point })
  const [batch = 0] = acts.shape
  const each = Array.from({ length: batch }, (_, b) => {
    const top = acts.select('prompt', b).top(k, { by: 'largest' })
    const counted = point === 'hook_sae_acts_post' ? top.filter(({ value }) => value > 0) : top
    return counted.map(({ labels }) => Number(labels.join().replace('latent ', '')))
  })
  const counts = new Map<number, number>()
  for (const latent of each.flat()) counts.set(latent, (counts.get(latent) ?? 0) + 1)
  const order = [...counts].sort(([, a], [, b]) => b - a)
  return new TopLatents({
    kind: 'top latents',
    title: `among the ${k} largest latents`,
    unit: 'prompts',
    values: Float32Array.from(order, ([, count]) => count),
    axes: [{ name: 'latent', labels: order.map(([latent]) => `latent ${latent}`) }],
    provenance: acts.provenance,
    extra: { k, point, each },
  })
}
