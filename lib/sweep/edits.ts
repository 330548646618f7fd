/** Interventions as data: what is changed, where, and to what; checked and looked up before any run. */
import * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from '../transformer/architecture.js'
import { ActivationCache } from '../core/cache.js'
import { ArgumentError, ShapeError } from '../errors/errors.js'
import { axesOf, checkHookName, type HookFunction, type HookName, type HookPoint } from '../core/hooks.js'
import { promptPositions } from '../core/positions.js'
import { resolvePosition } from '../core/positions.js'
import type { Tokens } from '../tokens/tokens.js'
import { blockOf } from '../transformer/hook-names.js'
import { featureShape, type View } from '../core/view.js'
import { isMade, type Made } from './made.js'
import { checkSource } from './sources.js'

/**
 * What takes an activation's place: zeros; its mean over all real positions of the source prompts; its value on the
 * source prompt of the same number; the same, but without a source on another of the prompts, drawn with the seed
 * (`resample`); a number; numbers of one position (of one unit, where units are given); a tensor of the whole activation
 * [B,P,…], there already or made when it is needed; another run's cache.
 */
export type Replacement =
  'zero' | 'mean' | 'source' | 'resample' | number | ArrayLike<number> | tf.Tensor | Made | ActivationCache

/** A change at one hook point: exactly one of `to`, `add` and `by`. */
export interface Edit {
  /** Any hook point of the view, also inside SAEs (`….hook_sae_acts_post`, `….hook_sae_error`). */
  readonly hook: HookName
  /** Heads, neurons or latents. @default the whole activation */
  readonly unit?: number | readonly number[]
  /** Positions, negative ones from a prompt's last real token; queries at scores and patterns. @default all */
  readonly position?: number | readonly number[]
  /** A column of the padded batch instead: the same place in every prompt, padding counted. */
  readonly column?: number
  readonly to?: Replacement
  /** What is added: steering. */
  readonly add?: number | ArrayLike<number> | tf.Tensor | Made
  /** Any hook function: it sees the whole batch of prompts, in a run of its own from this layer on. */
  readonly by?: HookFunction
  /** @default the hook point, units, positions and what is done there */
  readonly label?: string
}

/** One edit, or several made in one run. Of edits at one place the later one acts on what the earlier one left. */
export type Intervention = Edit | readonly Edit[]

export type Value =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'vector'; readonly values: ArrayLike<number> }
  | { readonly kind: 'tensor'; readonly tensor: tf.Tensor }
  | { readonly kind: 'made'; readonly made: Made }
  | { readonly kind: 'mean' | 'resample' | 'source' }

/** An edit with everything looked up. */
export interface ResolvedEdit {
  readonly point: HookPoint
  /** Its place among the view's points, in firing order. */
  readonly order: number
  /** −1 before the blocks, the number of layers behind them. */
  readonly layer: number
  readonly units: readonly number[] | undefined
  /** For each prompt; undefined for all. */
  readonly positions: readonly (readonly number[])[] | undefined
  readonly mode: 'set' | 'add'
  readonly value: Value
}

export interface ResolvedIntervention {
  readonly edits: readonly ResolvedEdit[]
  /** Functions of the user, which only a run of the whole batch can serve. */
  readonly by: readonly { readonly name: string; readonly hook: HookFunction }[]
}

/** What edits are looked up in. */
export interface EditContext {
  readonly kind: string
  readonly modelName: string
  readonly config: ModelConfig
  readonly view: View
  readonly points: readonly HookPoint[]
  readonly tokens: Tokens
}

/** @throws ArgumentError, HookError, ShapeError for the first edit that cannot be made */
export function resolveInterventions(
  context: EditContext,
  interventions: readonly Intervention[],
): ResolvedIntervention[] {
  const { kind } = context
  if (!Array.isArray(interventions) || interventions.length === 0) {
    throw new ArgumentError(
      `${kind}: interventions is ${JSON.stringify(interventions)}. Give a list of at least one, such as [{ hook, to: 'zero' }].`,
    )
  }
  const lookUp = new EditLookUp(context)
  return (interventions as readonly Intervention[]).map((intervention) => {
    const edits = [intervention].flat() as readonly Edit[]
    if (edits.length === 0)
      throw new ArgumentError(`${kind}: an intervention is an empty list. Give at least one edit.`)
    const functions = edits.filter((edit) => edit?.by !== undefined)
    return {
      edits: edits.filter((edit) => edit?.by === undefined).map((edit) => lookUp.resolve(edit)),
      by: functions.map((edit) => lookUp.resolveFunction(edit)),
    }
  })
}

/** The axis of heads, latents or neurons; −1 where there is none. */
export const unitAxis = ({ shape }: HookPoint): number => axesOf(shape).findIndex((axis) => 'HGSM'.includes(axis))

class EditLookUp {
  readonly #context: EditContext
  readonly #points: ReadonlyMap<string, { point: HookPoint; order: number }>
  readonly #positions = new Map<string, number[][]>()

  constructor(context: EditContext) {
    this.#context = context
    this.#points = new Map(context.points.map((point, order) => [point.name, { point, order }]))
  }

  resolve(edit: Edit): ResolvedEdit {
    const { point, order } = this.#point(edit)
    const { kind, config } = this.#context
    const given = (['to', 'add', 'by'] as const).filter((key) => edit[key] !== undefined)
    if (given.length !== 1) {
      const what = given.length === 0 ? 'none' : given.join(' and ')
      throw new ArgumentError(`${kind}: the edit at '${point.name}' has ${what} of to, add and by. Give exactly one.`)
    }
    const units = edit.unit === undefined ? undefined : this.#units(point, [edit.unit].flat())
    const mode = edit.to === undefined ? 'add' : 'set'
    return {
      point,
      order,
      layer: Math.min(blockOf(point.name), config.nLayers),
      units,
      positions: this.#positionsOf(edit),
      mode,
      value: this.#value(point, mode, (edit.to ?? edit.add)!, units !== undefined),
    }
  }

  resolveFunction(edit: Edit): { name: string; hook: HookFunction } {
    const { point } = this.#point(edit)
    const { kind } = this.#context
    if (typeof edit.by !== 'function') {
      throw new ArgumentError(`${kind}: 'by' at '${point.name}' is ${JSON.stringify(edit.by)}. It must be a function.`)
    }
    const more = (['unit', 'position', 'column', 'to', 'add'] as const).find((key) => edit[key] !== undefined)
    if (more) {
      throw new ArgumentError(
        `${kind}: the function at '${point.name}' comes with '${more}'. A function sees the whole activation: leave '${more}' out.`,
      )
    }
    return { name: point.name, hook: edit.by }
  }

  #point(edit: Edit): { point: HookPoint; order: number } {
    const { kind, points, modelName } = this.#context
    const found = this.#points.get(edit?.hook)
    if (found) return found
    if (typeof edit?.hook === 'string') checkHookName(kind, edit.hook, points, modelName)
    throw new ArgumentError(
      `${kind}: ${JSON.stringify(edit)} is no edit. Give { hook, to }, { hook, add } or { hook, by }.`,
    )
  }

  #units(point: HookPoint, units: readonly number[]): readonly number[] {
    const { kind, view, config } = this.#context
    const axis = unitAxis(point)
    if (axis < 0) {
      throw new ArgumentError(
        `${kind}: '${point.name}' of shape ${point.shape} has no heads, neurons or latents. Leave 'unit' out.`,
      )
    }
    const sae = view.attached.find(({ readsAt }) => point.name.startsWith(`${readsAt}.hook_sae_acts_`))?.sae
    const letter = axesOf(point.shape)[axis]!
    const count = { H: config.nHeads, G: config.nKeyValueHeads ?? config.nHeads, M: config.dMlp }[letter] ?? Infinity
    for (const unit of units) {
      if (sae && letter === 'S') sae.checkLatent(unit)
      if (Number.isInteger(unit) && unit >= 0 && unit < count) continue
      throw new ArgumentError(`${kind}: '${point.name}' has no unit ${unit}. It has 0 to ${count - 1}.`)
    }
    if (units.length === 0) throw new ArgumentError(`${kind}: 'unit' at '${point.name}' is []. Give at least one.`)
    return units
  }

  #positionsOf({ hook, position, column }: Edit): readonly number[][] | undefined {
    const { kind, tokens } = this.#context
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
    const positions = column === undefined ? eachOf(kind, tokens, list) : columnOf(kind, tokens, column)
    this.#positions.set(key, positions)
    return positions
  }

  #value(point: HookPoint, mode: 'set' | 'add', given: Replacement, ofUnit: boolean): Value {
    const { kind, tokens } = this.#context
    if (given === 'zero' && mode === 'set') return { kind: 'number', value: 0 }
    if (typeof given === 'number' && !Number.isNaN(given)) return { kind: 'number', value: given }
    if (mode === 'set' && (given === 'mean' || given === 'resample' || given === 'source')) {
      if (given === 'mean') checkMeanPoint(kind, point)
      return { kind: given }
    }
    if (given instanceof ActivationCache && mode === 'set') {
      const tensor = given.get(point.name)
      checkSource(kind, tokens, given.tokens)
      return { kind: 'tensor', tensor }
    }
    if (given instanceof tf.Tensor) return this.#tensor(point, given)
    if (isMade(given)) return { kind: 'made', made: given }
    if (typeof given === 'object' && given !== null && typeof (given as ArrayLike<number>).length === 'number') {
      return this.#vector(point, given as ArrayLike<number>, ofUnit)
    }
    const known = mode === 'set' ? "'zero', 'mean', 'source', 'resample', a number, numbers, a tensor or a cache" : 'a number, numbers or a tensor' // prettier-ignore
    throw new ArgumentError(
      `${kind}: '${mode === 'set' ? 'to' : 'add'}' at '${point.name}' is ${JSON.stringify(given)}. Give ${known}.`,
    )
  }

  #tensor(point: HookPoint, tensor: tf.Tensor): Value {
    const { kind, tokens, config } = this.#context
    const sizes = axesOf(point.shape).map((axis) => (axis === 'B' ? tokens.batch : axis === 'P' ? tokens.positions : 0))
    const features = featureSizes(point, config)
    if (features && !point.name.includes('.hook_sae_')) features.forEach((n, i) => (sizes[sizes.length - features.length + i] ||= n)) // prettier-ignore
    const fits = tensor.rank === sizes.length && sizes.every((n, i) => n === 0 || n === tensor.shape[i])
    if (fits) return { kind: 'tensor', tensor }
    throw new ShapeError(
      `${kind}: the tensor for '${point.name}' has shape [${tensor.shape}]. For these prompts it must be ${point.shape} with B ${tokens.batch} and P ${tokens.positions}.`,
    )
  }

  #vector(point: HookPoint, values: ArrayLike<number>, ofUnit: boolean): Value {
    const { kind, config } = this.#context
    const features = point.shape.startsWith('[B,P,') ? featureSizes(point, config) : undefined
    const axes = axesOf(point.shape).slice(2)
    const inSae = point.name.includes('.hook_sae_')
    const own = ofUnit ? features?.slice(unitAxis(point) - 1) : features
    const size = own && (inSae && axes.includes('S') && !ofUnit ? undefined : own.reduce((n, d) => n * d, 1))
    if (!point.shape.startsWith('[B,P,')) {
      throw new ArgumentError(
        `${kind}: numbers at '${point.name}' of shape ${point.shape} have no place. Give a tensor.`,
      )
    }
    if (size === undefined || Number.isNaN(size) || values.length === size || inSae) return { kind: 'vector', values }
    throw new ShapeError(
      `${kind}: there are ${values.length} numbers for '${point.name}'. ${ofUnit ? 'A unit there has' : 'It has'} ${size} at a position.`,
    )
  }
}

/** Positions of each prompt, in order. */
function eachOf(kind: string, tokens: Tokens, list: readonly number[]): number[][] {
  const each = list.map((position) => promptPositions(tokens, position, kind))
  return tokens.rows.map((_, b) => [...new Set(each.map((at) => at[b]!))].sort((x, y) => x - y))
}

function columnOf(kind: string, tokens: Tokens, column: number): number[][] {
  const position = resolvePosition(kind, column, tokens.positions)
  return tokens.rows.map(() => [position])
}

/** @throws ArgumentError where positions are not the second axis, so that a mean over them is no such activation */
function checkMeanPoint(kind: string, { name, shape }: HookPoint): void {
  if (shape.startsWith('[B,P,')) return
  throw new ArgumentError(
    `${kind}: the mean at '${name}' of shape ${shape} is not defined. Use points of shape [B,P,…].`,
  )
}

const featureSizes = (point: HookPoint, config: ModelConfig): number[] | undefined =>
  featureShape(point, config).every((n) => n !== undefined) ? featureShape(point, config) : undefined
