/** Looks interventions up in the view and the prompts, or refuses them, before any run. */
import { ArgumentError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { checkHookName } from '../../core/hook-filters.js'
import type { HookPoint } from '../../core/hooks.js'
import { promptPositions, resolvePosition } from '../../core/positions.js'
import { checkedUnits } from '../../core/units.js'
import type { Tokens } from '../../tokens/tokens.js'
import { blockOf } from '../../transformer/hook-names.js'
import type { SweepSubject } from '../subject.js'
import { editFields, editsOf, isNothing } from './edit.js'
import type { Edit, EditFunction, Intervention } from './edit.js'
import type { ResolvedEdit, ResolvedIntervention } from './edit.js'
import { resolveValue } from './resolve-values.js'

/** @throws ArgumentError, HookError, ShapeError for the first edit that cannot be made */
export function resolveInterventions(
  subject: SweepSubject,
  interventions: readonly Intervention[],
): ResolvedIntervention[] {
  const { kind } = subject
  if (!Array.isArray(interventions) || interventions.length === 0) {
    throw new ArgumentError(
      `${kind}: interventions is ${JSON.stringify(interventions)}. Give a list of at least one, such as [{ hook, to: 'zero' }].`,
    )
  }
  const resolver = new EditResolver(subject)
  return (interventions as readonly Intervention[]).map((intervention) => {
    const edits = editsOf(intervention)
    if (edits.length === 0 && !isNothing(intervention))
      throw new ArgumentError(
        `${kind}: an intervention is an empty list. Give at least one edit. To change nothing, give \`nothing\`.`,
      )
    return {
      edits: edits.filter((edit) => edit?.by === undefined).map((edit) => resolver.edit(edit)),
      functions: edits.filter((edit) => edit?.by !== undefined).map((edit) => resolver.function(edit)),
    }
  })
}

class EditResolver {
  readonly #subject: SweepSubject
  /** Positions that were looked up already; many edits have the same. */
  readonly #positions = new Map<string, number[][]>()

  constructor(subject: SweepSubject) {
    this.#subject = subject
  }

  edit(edit: Edit): ResolvedEdit {
    const { kind, model } = this.#subject
    const point = this.#point(edit)
    const given = (['to', 'add', 'by'] as const).filter((key) => edit[key] !== undefined)
    if (given.length !== 1) {
      const what = given.length === 0 ? 'none' : given.join(' and ')
      throw new ArgumentError(`${kind}: the edit at '${point.name}' has ${what} of to, add and by. Give exactly one.`)
    }
    const units = edit.unit === undefined ? undefined : checkedUnits(kind, { ...this.#subject, point }, edit.unit)
    const mode = edit.to === undefined ? 'add' : 'set'
    const value = mode === 'set' ? edit.to : edit.add
    return {
      point,
      layer: Math.min(blockOf(point.name), model.config.nLayers),
      units,
      positions: this.#positionsOf(edit),
      mode,
      value: resolveValue(this.#subject, { point, mode, ofUnit: units !== undefined }, value),
    }
  }

  function(edit: Edit): EditFunction {
    const { kind } = this.#subject
    const { name } = this.#point(edit)
    if (typeof edit.by !== 'function') {
      throw new ArgumentError(`${kind}: 'by' at '${name}' is ${JSON.stringify(edit.by)}. It must be a function.`)
    }
    const more = (['unit', 'position', 'column', 'to', 'add'] as const).find((key) => edit[key] !== undefined)
    if (more) {
      throw new ArgumentError(
        `${kind}: the function at '${name}' comes with '${more}'. A function sees the whole activation: leave '${more}' out.`,
      )
    }
    return { name, hook: edit.by }
  }

  #point(edit: Edit): HookPoint {
    const { kind, points, model } = this.#subject
    const found = points.get(edit?.hook)
    if (found) {
      checkFields(kind, edit)
      return found
    }
    if (typeof edit?.hook === 'string')
      checkHookName(kind, edit.hook, { name: model.name, hookPoints: [...points.values()] })
    throw new ArgumentError(
      `${kind}: ${JSON.stringify(edit)} is no edit. Give { hook, to }, { hook, add } or { hook, by }.`,
    )
  }

  #positionsOf({ hook, position, column }: Edit): readonly number[][] | undefined {
    const { kind, tokens } = this.#subject
    if (column !== undefined && position !== undefined) {
      throw new ArgumentError(`${kind}: the edit at '${hook}' has both position and column. Give one of them.`)
    }
    if (position === undefined && column === undefined) return undefined
    const list = [position ?? []].flat()
    const key = `${list.join()} ${column}`
    const known = this.#positions.get(key)
    if (known) return known
    if (column === undefined && list.length === 0)
      throw new ArgumentError(`${kind}: 'position' at '${hook}' is []. Give at least one position.`)
    const positions = column === undefined ? eachPosition(kind, tokens, list) : columnOf(kind, tokens, column)
    this.#positions.set(key, positions)
    return positions
  }
}

/** @throws ArgumentError for a field that no edit has, with the nearest */
function checkFields(kind: string, edit: Edit): void {
  const names = Object.keys(editFields)
  const unknown = Object.keys(edit).find((name) => !names.includes(name))
  if (unknown === undefined) return
  const hint = didYouMean(unknown, names)
  throw new ArgumentError(
    `${kind}: the edit at '${edit.hook}' has a field '${unknown}'.${hint} The fields are ${names.join(', ')}.`,
  )
}

/** Positions of each prompt, in order, each once. */
function eachPosition(kind: string, tokens: Tokens, list: readonly number[]): number[][] {
  const ofPrompts = list.map((position) => promptPositions(tokens, position, kind))
  return tokens.rows.map((_, b) => [...new Set(ofPrompts.map((positions) => positions[b]!))].sort((x, y) => x - y))
}

function columnOf(kind: string, tokens: Tokens, column: number): number[][] {
  const position = resolvePosition(kind, column, tokens.positions)
  return tokens.rows.map(() => [position])
}
