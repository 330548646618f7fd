/** Sites one place at a time, and what results call each place: `L9H6`, `latent 3`, `blocks.7.hook_resid_pre`. */
import { checkHookName } from '../lib/core/hook-filters.js'
import { axesOf, type HookName } from '../lib/core/hooks.js'
import type { Site } from '../lib/core/sites.js'
import type { AttachedSae } from '../lib/core/view.js'
import { ArgumentError } from '../lib/errors/errors.js'
import type { HookedModel } from '../lib/model.js'
import { parseHook } from '../lib/transformer/hook-names.js'
import type { Sae } from '../saes/index.js'
import { attachedAt, chosenLatents, saeAt } from './attached-saes.js'

/** A hook point, or one unit of it. */
export interface SitePlace {
  readonly hook: HookName
  /** A head, latent or neuron. @default the whole activation */
  readonly unit?: number
}

/** A place, and what results call it. */
export interface NamedPlace extends SitePlace {
  /** What it is one of: the name of an axis of such places. */
  readonly kind: 'head' | 'latent' | 'neuron' | 'hook'
  /** `L9H6`, `L9H6.q`, `latent 3`, `L3N14`, or the hook point's name; of several SAEs `latent 3 at <hook point>`. */
  readonly label: string
}

const kinds: Readonly<Record<string, NamedPlace['kind']>> = { H: 'head', G: 'head', S: 'latent', M: 'neuron' }

/** Each unit of each site, in order; sites without units whole. @throws ArgumentError, HookError */
export function placesOf(name: string, view: HookedModel, sites: Site | readonly Site[]): NamedPlace[] {
  const list: readonly unknown[] = Array.isArray(sites) ? sites : [sites]
  if (list.length === 0) throw new ArgumentError(`${name}: the list of sites is empty. Give at least one.`)
  const places = list
    .flatMap((site) => unitsOf(name, site))
    .map((place) => {
      checkPoint(name, view, place)
      return describePlace(view, place)
    })
  for (const place of places) checkUnit(name, view, place)
  const saes = new Set(places.filter(({ kind }) => kind === 'latent').map(({ hook }) => hook))
  return saes.size < 2 ? places : places.map((place) => (place.kind === 'latent' ? withHook(place) : place))
}

const withHook = (place: NamedPlace): NamedPlace => ({ ...place, label: `${place.label} at ${siteOf(place.hook)}` })

/** Latents of one SAE of a view. */
export interface SaeChoice {
  readonly attached: AttachedSae<Sae>
  readonly latents: readonly number[]
}

/**
 * The latents that a site names, all of them without units, and the SAE of the view that has them.
 * @throws ArgumentError for a site of something else, a latent that the SAE does not have, or one named twice;
 *   HookError where there is no such SAE
 */
export function latentsOfSite(name: string, view: HookedModel, site: Site): SaeChoice {
  if (!isSite(site) || parseHook(site.hook).sae !== 'hook_sae_acts_post') {
    throw new ArgumentError(`${name}: ${JSON.stringify(site)} are no latents. Give latents(sae, 3, 14).`)
  }
  const attached = saeAt(name, view, siteOf(site.hook))
  const { unit } = site
  return { attached, latents: chosenLatents(name, attached.sae, unit === undefined ? undefined : [unit].flat()) }
}

/** Whether a value is a site, by its form. */
export function isSite(value: unknown): value is Site {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Site>).hook === 'string'
}

function unitsOf(name: string, site: unknown): SitePlace[] {
  if (!isSite(site)) {
    throw new ArgumentError(
      `${name}: ${JSON.stringify(site)} is no site. Give head(9, 6), latents(sae, 3, 14), neurons(3, 14) or ` +
        "point('resid_pre', 7), or a list of such.",
    )
  }
  const { hook, unit } = site
  if (unit === undefined) return [{ hook }]
  const units = [unit].flat()
  if (units.length > 0) return units.map((one) => ({ hook, unit: one }))
  throw new ArgumentError(`${name}: the unit of the site at '${hook}' is []. Give at least one.`)
}

/** @throws HookError where the view has no such point; of an SAE that is not attached, with those that are */
function checkPoint(name: string, view: HookedModel, { hook }: SitePlace): void {
  const isInSae = parseHook(hook).sae !== undefined
  if (isInSae && !view.hookNames.includes(hook)) attachedAt(name, view, siteOf(hook))
  checkHookName(name, hook, view)
}

/** The hook point that a point inside an SAE hangs under. */
const siteOf = (hook: string): string => hook.slice(0, hook.lastIndexOf('.'))

/** @throws ArgumentError where the point has no units, or none of this number */
function checkUnit(name: string, view: HookedModel, { hook, unit, kind }: NamedPlace): void {
  if (unit === undefined) return
  if (kind === 'hook') {
    throw new ArgumentError(`${name}: '${hook}' has no heads, latents or neurons. Leave the unit out.`)
  }
  if (kind === 'latent') return view.attached.find(({ readsAt }) => readsAt === siteOf(hook))?.sae.checkLatent(unit)
  const { nHeads, nKeyValueHeads = nHeads, dMlp } = view.config
  const heads = /hook_[kv]$/.test(hook) ? nKeyValueHeads : nHeads
  const count = kind === 'head' ? heads : dMlp
  if (Number.isInteger(unit) && unit >= 0 && unit < count) return
  throw new ArgumentError(`${name}: there is no ${kind} ${unit} at '${hook}'. It has ${kind}s 0 to ${count - 1}.`)
}

function describePlace({ hookPoints }: HookedModel, { hook, unit }: SitePlace): NamedPlace {
  if (unit === undefined) return { hook, kind: 'hook', label: hook }
  const { layer, point } = parseHook(hook)
  const shape = hookPoints.find(({ name }) => name === hook)?.shape ?? ''
  const kind = axesOf(shape).flatMap((axis) => kinds[axis] ?? [])[0] ?? 'hook'
  const part = point === 'hook_z' ? '' : `.${point.replace('hook_', '')}`
  const labels = {
    head: `L${layer}H${unit}${part}`,
    latent: `latent ${unit}`,
    neuron: `L${layer}N${unit}`,
    hook: `${hook} ${unit}`,
  }
  return { hook, unit, kind, label: labels[kind] }
}
