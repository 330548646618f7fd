/** What an intervention acts on: names of groups, or sites, as places along the axes of a result. */
import type { Site } from '../../lib/core/sites.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import type { HookedModel } from '../../lib/model.js'
import type { Axis } from '../../lib/report/result/result.js'
import { range } from '../../lib/stats/range.js'
import { hook } from '../../lib/transformer/hook-names.js'
import { placesOf, type SitePlace } from '../sites.js'

const layerPoints = ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out'] as const

/** Points of every head by the target's name. */
const headPoints = { heads: 'z', q: 'q', k: 'k', v: 'v', pattern: 'pattern' } as const

/**
 * What is changed, in a run of its own for each place:
 * - `'heads'`: every attention head (its z): axes [layer, head]
 * - `'q'`, `'k'`, `'v'`, `'pattern'`: that point of every head: axes [layer, head]; keys and values that heads share
 *   are one
 * - `'resid_pre'`, `'resid_mid'`, `'resid_post'`, `'attn_out'`, `'mlp_out'`: that point of every layer: axis [layer]
 * - sites: each unit of each of them. The axis is `head`, `latent` or `neuron` where all are such, `hook` of whole hook
 *   points, and `site` of a mixture.
 *
 * @example
 * 'heads'
 * head(9, 6)
 * [head(9, 6), head(10, 0)]
 * latents(sae, 3, 14)
 * point('resid_pre', 7)
 */
export type Target = keyof typeof headPoints | (typeof layerPoints)[number] | Site | readonly Site[]

/** One place for each combination of labels, the last axis fastest. */
export interface TargetPlaces {
  readonly axes: readonly Axis[]
  readonly places: readonly SitePlace[]
}

/** @throws ArgumentError, HookError for a name that is no target, or a point that the view does not have */
export function resolveTarget(name: string, view: HookedModel, target: Target): TargetPlaces {
  if (typeof target === 'string') {
    if (isHeadTarget(target)) return everyHead(view, target)
    if (layerPoints.includes(target)) return everyLayer(view, target)
    throw unknownTarget(name, target)
  }
  if (typeof target !== 'object' || target === null) throw unknownTarget(name, String(target))
  const places = placesOf(name, view, target)
  const kinds = new Set(places.map(({ kind }) => kind))
  const [kind = 'site', ...others] = kinds
  return {
    axes: [{ name: others.length === 0 ? kind : 'site', labels: places.map(({ label }) => label) }],
    places: places.map(({ hook, unit }) => ({ hook, ...(unit !== undefined && { unit }) })),
  }
}

/** Whether a target names a point of every layer. */
export function isLayerTarget(target: Target): boolean {
  return (layerPoints as readonly unknown[]).includes(target)
}

const isHeadTarget = (target: string): target is keyof typeof headPoints => Object.hasOwn(headPoints, target)

function everyLayer({ config }: HookedModel, target: string): TargetPlaces {
  const layers = range(config.nLayers)
  return { axes: [layerAxis(config.nLayers)], places: layers.map((layer) => ({ hook: hook(target, layer) })) }
}

function everyHead({ config }: HookedModel, target: keyof typeof headPoints): TargetPlaces {
  const { nLayers, nHeads, nKeyValueHeads = nHeads } = config
  const heads = range(target === 'k' || target === 'v' ? nKeyValueHeads : nHeads)
  const point = headPoints[target]
  return {
    axes: [layerAxis(nLayers), { name: 'head', labels: heads.map((head) => `H${head}`) }],
    places: range(nLayers).flatMap((layer) => heads.map((unit) => ({ hook: hook(point, layer), unit }))),
  }
}

function unknownTarget(name: string, target: string): ArgumentError {
  const known = [...Object.keys(headPoints), ...layerPoints]
  return new ArgumentError(
    `${name}: ${target} is no target.${didYouMean(target, known)} Give ${known.map((t) => `'${t}'`).join(', ')}, or ` +
      'sites such as head(9, 6).',
  )
}

const layerAxis = (nLayers: number): Axis => ({ name: 'layer', labels: range(nLayers).map((l) => `layer ${l}`) })
