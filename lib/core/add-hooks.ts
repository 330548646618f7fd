/** Adding hook functions to a view, in any of the forms that `withHooks` takes. */
import type * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../errors/errors.js'
import { unitAxis } from './axes.js'
import { isSite, type NameFilter } from './hook-filters.js'
import { applyHook, type HookFunction } from './hooks.js'
import type { Site } from './sites.js'
import { checkedUnits, putUnits, takeUnits } from './units.js'
import { reachedNames, viewPoints, type LoadedModel, type View } from './view.js'

/** Hooks to add: by name, or as [filter, function] pairs. */
export type Hooks = Readonly<Record<string, HookFunction>> | readonly (readonly [NameFilter, HookFunction])[]

/** A filter and the function to run at the points it chooses. */
type HookPair = readonly [NameFilter, HookFunction]

/** The arguments of `withHooks`: many hooks, or where and what. */
export type HookArguments = readonly [hooks: Hooks] | readonly [where: NameFilter, hook: HookFunction]

/** The view with more hooks, after those it has. @throws HookError for an unknown point, ArgumentError for other faults */
export function addHooks(model: LoadedModel, view: View, given: HookArguments): View {
  const added = pairsOf(given).flatMap(([filter, hook]) => {
    if (typeof hook !== 'function') {
      throw new ArgumentError(
        `withHooks: the hook for '${filterText(filter)}' is ${JSON.stringify(hook)}. It must be a function.`,
      )
    }
    if (isSite(filter) && filter.unit !== undefined) return [unitHook(model, view, filter, hook)]
    return reachedNames('withHooks', filter, model, view).map((name) => ({ name, hook }))
  })
  return { ...view, hooks: [...view.hooks, ...added] }
}

function pairsOf(given: HookArguments): readonly HookPair[] {
  const [first, hook] = given
  const isFilter = typeof first === 'string' || typeof first === 'function' || first instanceof RegExp || isSite(first)
  if (hook !== undefined || isFilter) return [[first as NameFilter, hook as HookFunction]]
  return Array.isArray(first) ? (first as readonly HookPair[]) : Object.entries(first as Record<string, HookFunction>)
}

function filterText(filter: NameFilter): string {
  return isSite(filter) ? JSON.stringify(filter) : String(filter)
}

/** A hook that sees and replaces some units of the activation alone. */
function unitHook(
  model: LoadedModel,
  view: View,
  { hook: name, unit }: Site,
  hook: HookFunction,
): View['hooks'][number] {
  reachedNames('withHooks', name, model, view)
  const point = viewPoints(model, view).find((each) => each.name === name)!
  const units = checkedUnits('withHooks', { point, model, view }, unit!)
  if (new Set(units).size < units.length) {
    throw new ArgumentError(`withHooks: 'unit' at '${name}' is ${JSON.stringify(units)}. Give each unit once.`)
  }
  const axis = unitAxis(point)
  return {
    name,
    hook: (x: tf.Tensor) => {
      const part = takeUnits(x, axis, units)
      const by = applyHook(name, part, hook)
      return by === part ? undefined : putUnits(x, axis, { units, by })
    },
  }
}
