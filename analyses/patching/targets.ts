/** What an intervention acts on: targets as data, resolved into sites (a hook point, and perhaps one unit of it). */
import type { Axis } from '../../lib/report/result/result.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { type HookName } from '../../lib/core/hooks.js'
import { checkHookName } from '../../lib/core/hook-filters.js'
import type { HookedModel } from '../../lib/model.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { range } from '../../lib/stats/range.js'
import { attachedAt } from '../attached-saes.js'

const layerPoints = ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out'] as const

/** Points of every head by the target's name. */
const headPoints = { heads: 'z', q: 'q', k: 'k', v: 'v', pattern: 'pattern' } as const

/**
 * - `heads`: every attention head (its hook_z); `{ heads: [[9, 6], …] }` some of them
 * - `q`, `k`, `v`, `pattern`: that point of every head; keys and values that heads share are one
 * - `resid_pre`, `resid_mid`, `resid_post`, `attn_out`, `mlp_out`: that point of every layer
 * - `{ latents: [12, 7] }`: latents of the view's SAE; name its hook point with `hook` where there are several
 * - `{ hooks: [names] }`: whole hook points, such as an SAE's `….hook_sae_error`
 */
export type Target =
  | keyof typeof headPoints
  | (typeof layerPoints)[number]
  | { readonly heads: readonly (readonly [layer: number, head: number])[] }
  | { readonly latents: readonly number[]; readonly hook?: HookName }
  | { readonly hooks: readonly HookName[] }

/** A hook point, or one unit (head, latent) of it. */
export interface Site {
  readonly name: string
  readonly unit?: number
}

/** One site for each combination of labels, the last axis fastest. */
export interface Sites {
  readonly axes: readonly Axis[]
  readonly sites: readonly Site[]
}

/** @throws ArgumentError, HookError for a layer, head, latent or point that the view does not have. */
export function resolveTarget(verb: string, view: HookedModel, target: Target): Sites {
  const { nLayers } = view.config
  const layers = range(nLayers)
  if (typeof target === 'string') {
    if (isHeadTarget(target)) return everyHead(view, target)
    if (!layerPoints.includes(target)) throw unknownTarget(verb, target)
    return { axes: [layerAxis(nLayers)], sites: layers.map((l) => ({ name: `blocks.${l}.hook_${target}` })) }
  }
  if (typeof target !== 'object' || target === null) throw unknownTarget(verb, String(target))
  if ('heads' in target) return someHeads(verb, view, nonEmpty(verb, 'heads', target.heads))
  if ('latents' in target) return someLatents(verb, view, nonEmpty(verb, 'latents', target.latents), target.hook)
  if ('hooks' in target) {
    for (const name of nonEmpty(verb, 'hooks', target.hooks)) checkHookName(verb, name, view)
    return { axes: [{ name: 'hook', labels: target.hooks }], sites: target.hooks.map((name) => ({ name })) }
  }
  throw unknownTarget(verb, JSON.stringify(target))
}

/** Whether a target names a point of every head. */
export const isHeadTarget = (target: string): target is keyof typeof headPoints => Object.hasOwn(headPoints, target)

function everyHead({ config }: HookedModel, target: keyof typeof headPoints): Sites {
  const { nLayers, nHeads, nKeyValueHeads = nHeads } = config
  const heads = range(target === 'k' || target === 'v' ? nKeyValueHeads : nHeads)
  const nameIn = (layer: number) => `blocks.${layer}.attn.hook_${headPoints[target]}`
  return {
    axes: [layerAxis(nLayers), { name: 'head', labels: heads.map((head) => `H${head}`) }],
    sites: range(nLayers).flatMap((layer) => heads.map((unit) => ({ name: nameIn(layer), unit }))),
  }
}

function someHeads(verb: string, view: HookedModel, heads: readonly (readonly [number, number])[]): Sites {
  const { nLayers, nHeads } = view.config
  for (const pair of heads) {
    const [layer = -1, head = -1] = Array.isArray(pair) ? (pair as readonly number[]) : []
    if (!isIndex(layer, nLayers) || !isIndex(head, nHeads)) {
      throw new ArgumentError(
        `${verb}: there is no head ${JSON.stringify(pair)} in ${view.name}. It has layers 0 to ${nLayers - 1} with heads 0 to ${nHeads - 1}.`,
      )
    }
  }
  return {
    axes: [{ name: 'head', labels: heads.map(([l, h]) => `L${l}H${h}`) }],
    sites: heads.map(([l, unit]) => ({ name: `blocks.${l}.attn.hook_z`, unit })),
  }
}

function someLatents(verb: string, view: HookedModel, latents: readonly number[], hook: string | undefined): Sites {
  const { sae, readsAt } = attachedAt(verb, view, hook)
  for (const latent of latents) sae.checkLatent(latent)
  const name = `${readsAt}.hook_sae_acts_post`
  return {
    axes: [{ name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }],
    sites: latents.map((unit) => ({ name, unit })),
  }
}

function unknownTarget(verb: string, target: string): ArgumentError {
  const known = [...Object.keys(headPoints), ...layerPoints]
  return new ArgumentError(
    `${verb}: ${target} is no target. Give ${known.map((t) => `'${t}'`).join(', ')}, { heads }, { latents } or { hooks }.${didYouMean(target, known)}`,
  )
}

function nonEmpty<T>(verb: string, what: string, list: readonly T[]): readonly T[] {
  if (Array.isArray(list) && list.length > 0) return list
  throw new ArgumentError(`${verb}: ${what} is ${JSON.stringify(list)}. Give a list of at least one.`)
}

const layerAxis = (nLayers: number): Axis => ({ name: 'layer', labels: range(nLayers).map((l) => `layer ${l}`) })
const isIndex = (value: number, count: number): boolean => Number.isInteger(value) && value >= 0 && value < count
