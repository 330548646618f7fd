/** Choosing hook points: by name, by what the name says, or as a place to act. */
import { ArgumentError, HookError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { layerOf } from '../transformer/hook-names.js'
import type { HookName, HookPoint } from './hooks.js'
import type { Site } from './sites.js'

/**
 * Chooses hook points: a name (`hook('z', 9)`), a place (`point('resid_pre', 7)`), a list of either, a pattern, or a
 * predicate. Patterns and predicates see the points on request too.
 */
export type NameFilter = HookName | Site | readonly (HookName | Site)[] | RegExp | ((name: string) => boolean)

/** What has hook points, and a name for messages. */
export interface HasHookPoints {
  readonly name: string
  readonly hookPoints: readonly HookPoint[]
}

/** Whether a filter is a place of the form `{ hook, unit? }`. */
export function isSite(filter: unknown): filter is Site {
  return typeof filter === 'object' && filter !== null && 'hook' in filter && typeof filter.hook === 'string'
}

/**
 * Names chosen by a filter, in firing order. Without a filter all points but those on request.
 * @throws HookError for a name that is not among the points, or a pattern that matches none.
 */
export function chosenNames(verb: string, filter: NameFilter | undefined, view: HasHookPoints): string[] {
  const { hookPoints, name: model } = view
  if (filter === undefined) return hookPoints.filter((p) => !p.onRequest).map((p) => p.name)
  const chosen = nameTest(verb, filter, view)
  const names = hookPoints.map((p) => p.name).filter(chosen)
  if (names.length > 0) return names
  throw new HookError(
    `${verb}: no hook point of ${model} is chosen by ${filterText(filter)}. See model.hookNames for the names.`,
  )
}

function filterText(filter: NameFilter): string {
  return typeof filter === 'object' && !(filter instanceof RegExp) ? JSON.stringify(filter) : String(filter)
}

function nameTest(verb: string, filter: NameFilter, view: HasHookPoints): (name: string) => boolean {
  if (typeof filter === 'function') return filter
  // a fresh pattern without g and y, whose lastIndex would make every second match fail
  if (filter instanceof RegExp) {
    const pattern = new RegExp(filter.source, filter.flags.replace(/[gy]/g, ''))
    return (name) => pattern.test(name)
  }
  const listed = Array.isArray(filter) ? (filter as readonly (HookName | Site)[]) : [filter as HookName | Site]
  const wanted = new Set(listed.map((each) => (isSite(each) ? wholePoint(verb, each) : each)))
  for (const name of wanted) checkHookName(verb, name, view)
  return (name) => wanted.has(name)
}

/** The hook point of a place that stands for all of it. @throws ArgumentError where it names units */
function wholePoint(verb: string, { hook, unit }: Site): HookName {
  if (unit === undefined) return hook
  const given = JSON.stringify({ hook, unit })
  throw new ArgumentError(`${verb}: ${given} names a unit, and activations are taken whole. Give '${hook}'.`)
}

/** @throws HookError with the nearest name when the model has no such hook point. */
export function checkHookName(verb: string, name: string, { name: model, hookPoints }: HasHookPoints): void {
  if (hookPoints.some((p) => p.name === name)) return
  const names = hookPoints.map((p) => p.name)
  const layers = names.reduce((most, n) => Math.max(most, (layerOf(n) ?? -1) + 1), 0)
  throw new HookError(
    `${verb}: no hook point '${name}' in ${model} (${layers} layers: 0–${layers - 1}).${hookHint(name, names, layers)}`,
  )
}

/** For a layer that is too large the same point of the last one, else the nearest name. */
function hookHint(name: string, names: readonly string[], layers: number): string {
  const layer = layerOf(name) ?? -1
  const ofLast = name.replace(`blocks.${layer}.`, `blocks.${layers - 1}.`)
  return layer >= layers && names.includes(ofLast) ? ` Did you mean '${ofLast}'?` : didYouMean(name, names)
}
