/** Which latents are among the largest at one position, counted over prompts. F latents */
import type { HookedModel } from '../../lib/model.js'
import type { Prompts } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import type { LatentPoint } from '../latent-source.js'
import { latentsAt, type LatentActivationsOptions } from './latent-activations.js'

export interface TopLatentsOptions extends LatentActivationsOptions {
  /** How many of each prompt. @default 5 */
  readonly k?: number
  /** @default -1, the last real token */
  readonly position?: number
  /** @default 'hook_sae_acts_post', where only latents above 0 count */
  readonly point?: LatentPoint
}

/**
 * On how many prompts each latent is among the k largest at the position: axes [latent], prompts; only latents that are,
 * the most frequent first, of equals the one met first (prompt by prompt, the largest first). `extra.each` lists the
 * latents of each prompt. Where no latent fires anywhere, the axis is empty.
 * @throws ArgumentError, HookError
 */
export async function topLatents(
  view: HookedModel,
  prompts: Prompts,
  options: TopLatentsOptions = {},
): Promise<Result> {
  const { k = 5, point = 'hook_sae_acts_post', ...rest } = options
  checkCounts('topLatents', { k })
  const acts = await latentsAt(view, prompts, { ...rest, point })
  const [batch] = acts.shape as [number, number]
  const labels = acts.axes[1]!.labels
  const each = Array.from({ length: batch }, (_, b) => {
    const top = acts.select('prompt', b).top(k, { by: 'largest' })
    return (point === 'hook_sae_acts_post' ? top.filter(({ value }) => value > 0) : top).map(({ index }) => index[0]!)
  })
  const counts = new Map<number, number>()
  for (const latent of each.flat()) counts.set(latent, (counts.get(latent) ?? 0) + 1)
  const order = [...counts].sort(([, a], [, b]) => b - a)
  return new Result({
    kind: 'top latents',
    title: `among the ${k} largest latents`,
    unit: 'prompts',
    values: Float32Array.from(order, ([, count]) => count),
    axes: [{ name: 'latent', labels: order.map(([i]) => labels[i]!) }],
    provenance: acts.provenance,
    extra: { k, point, each: each.map((list) => list.map((i) => Number(labels[i]!.replace('latent ', '')))) },
  })
}
