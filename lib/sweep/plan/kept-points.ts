/** What to keep of a clean run. */
import type { View } from '../../core/view.js'
import { layerOf, parseHook } from '../../transformer/hook-names.js'
import type { ResolvedEdit } from '../edits/index.js'
import type { UnitIndex } from '../subject.js'

/** Points, and of latents and the like the units that are edited; undefined for the whole activation. */
export type KeptPoints = ReadonlyMap<string, UnitIndex | undefined>

/**
 * The points that runs may start at or that edits may have to be compared with.
 * @param reached hook points of the view
 * @param read the point that the metric reads, all of which is kept
 */
export function keptPoints(
  edits: readonly ResolvedEdit[],
  view: View,
  { reached, read }: { readonly reached: Pick<ReadonlySet<string>, 'has'>; readonly read?: string | undefined },
): KeptPoints {
  const wholePoints = [...entryPoints(edits, view), ...saeOutputs(view), ...(read === undefined ? [] : [read])]
  const kept = new Map([...editedUnits(edits), ...wholePoints.map((name) => [name, undefined] as const)])
  return new Map([...kept].filter(([name]) => reached.has(name)))
}

/** The units that are edited at each point; undefined where an edit acts on all of it. */
function editedUnits(edits: readonly ResolvedEdit[]): Map<string, UnitIndex | undefined> {
  const units = new Map<string, Map<number, number> | undefined>()
  for (const { point, units: own } of edits) {
    const known = units.has(point.name) ? units.get(point.name) : new Map<number, number>()
    // an error of heads is written through all of W_O
    const isWhole = own === undefined || parseHook(point.name).sae === 'hook_sae_error'
    units.set(point.name, isWhole ? undefined : known)
    if (!isWhole && known) for (const unit of own) if (!known.has(unit)) known.set(unit, known.size)
  }
  return units
}

/** Points that runs start at, in blocks with edits or SAEs. */
function entryPoints(edits: readonly ResolvedEdit[], view: View): string[] {
  const names = [
    ...edits.map(({ point }) => point.name),
    ...view.attached.flatMap(({ readsAt, writesAt }) => [readsAt, writesAt]),
  ]
  const layers = new Set(names.map((name) => layerOf(name) ?? 0))
  return [...layers].flatMap((layer) =>
    ['hook_resid_pre', 'hook_attn_out', 'hook_resid_post'].map((point) => `blocks.${layer}.${point}`),
  )
}

/** What SAEs put out: with the error term the value itself. */
function saeOutputs(view: View): string[] {
  return view.attached.map(({ writesAt, options }) => (options.errorTerm ? writesAt : `${writesAt}.hook_sae_output`))
}
