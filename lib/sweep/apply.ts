/**
 * Edits made on rows of a batch, each row with edits of its own.
 * Axes: R rows · Q positions of the batch (from `begin`) · then those of the hook point
 */
import * as tf from '@tensorflow/tfjs'
import { axesOf, type HookPoint } from '../core/hooks.js'
import { range } from '../stats/range.js'
import { unitAxis, type ResolvedEdit } from './edits.js'
import type { ValueSource } from './values.js'

/** Rows of a batch: row r is prompt `prompts[r]` from position `begin` on. */
export interface RowsAt {
  readonly prompts: readonly number[]
  readonly begin: number
  readonly count: number
}

/** The edits of each row at one hook point, in their order. */
export type EditsByRow = readonly (readonly ResolvedEdit[])[]

/** Numbers of the units that x holds, where it holds some alone. */
export type UnitPlaces = ReadonlyMap<number, number> | undefined

/** x [R,Q,…] with each row's edits made. Runs inside the caller's tidy. */
export function editRows(
  x: tf.Tensor,
  point: HookPoint,
  edits: EditsByRow,
  rows: RowsAt,
  values: ValueSource,
  places?: UnitPlaces,
): tf.Tensor {
  const steps = Math.max(0, ...edits.map((own) => own.length))
  let value = x
  for (let k = 0; k < steps; k++) {
    const own = edits.map((all) => all[k])
    for (const kind of new Set(own.flatMap((edit) => (edit ? [kindOf(edit)] : [])))) {
      const step = own.map((edit) => (edit && kindOf(edit) === kind ? edit : undefined))
      value = editStep(value, point, step, rows, values, places)
    }
  }
  return value
}

/** Edits that one operation makes for all rows. */
const kindOf = ({ mode, value, units }: ResolvedEdit): string =>
  `${mode} ${value.kind === 'number' || value.kind === 'vector' ? value.kind : 'tensor'} ${value.kind === 'vector' && units !== undefined}`

function editStep(
  x: tf.Tensor,
  point: HookPoint,
  step: readonly (ResolvedEdit | undefined)[],
  rows: RowsAt,
  values: ValueSource,
  places: UnitPlaces,
): tf.Tensor {
  const selected = selection(x, point, step, rows, places)
  const value = stepValue(point, step, rows, values, places)
  const { mode } = step.find((edit) => edit !== undefined)!
  if (mode === 'add') return x.add(selected ? value.mul(selected.toFloat()) : value)
  if (selected) return tf.where(selected, value, x) // no product with the mask: masked scores are −Infinity
  return value.shape.join() === x.shape.join() ? value : tf.broadcastTo(value, x.shape)
}

/** True where a row's edit acts, with length 1 on axes it does not distinguish; undefined where all act everywhere. */
function selection(
  x: tf.Tensor,
  point: HookPoint,
  step: readonly (ResolvedEdit | undefined)[],
  { prompts, begin, count }: RowsAt,
  places: UnitPlaces,
): tf.Tensor | undefined {
  const anyPositions = step.some((edit) => edit?.positions)
  const anyUnits = step.some((edit) => edit?.units)
  if (!anyPositions && !anyUnits && step.every(Boolean)) return undefined
  const [units, positions] = [unitAxis(point), positionAxis(point)]
  const [U, Q] = [anyUnits ? x.shape[units]! : 1, anyPositions ? count : 1]
  const [unitStep, positionStep] = units >= 0 && units < positions ? [Q, 1] : [1, U]
  const mask = new Uint8Array(step.length * U * Q)
  step.forEach((edit, r) => {
    if (!edit) return
    const at = anyPositions ? localPositions(edit.positions?.[prompts[r]!], begin, count) : [0]
    const of = anyUnits ? (edit.units?.map((u) => (places ? places.get(u)! : u)) ?? range(U)) : [0]
    for (const q of at) for (const u of of) mask[r * U * Q + q * positionStep + u * unitStep] = 1
  })
  const shape = x.shape.map((_, i) => (i === 0 ? step.length : i === positions ? Q : i === units ? U : 1))
  return tf.tensor(mask, shape, 'bool')
}

function localPositions(positions: readonly number[] | undefined, begin: number, count: number): number[] {
  return positions ? positions.flatMap((p) => (p >= begin && p < begin + count ? [p - begin] : [])) : range(count)
}

/** What the edits of a step put in or add, ready to be broadcast to x. */
function stepValue(
  point: HookPoint,
  step: readonly (ResolvedEdit | undefined)[],
  rows: RowsAt,
  values: ValueSource,
  places: UnitPlaces,
): tf.Tensor {
  const edits = step.filter((edit) => edit !== undefined)
  const { value, units } = edits[0]!
  const axes = axesOf(point.shape)
  if (value.kind === 'number') {
    const numbers = step.map((edit) => (edit?.value.kind === 'number' ? edit.value.value : 0))
    if (edits.every((edit) => (edit.value as typeof value).value === value.value)) return tf.scalar(value.value)
    return tf.tensor(
      numbers,
      axes.map((_, i) => (i === 0 ? step.length : 1)),
    )
  }
  if (value.kind === 'vector') return vectors(point, step, units !== undefined, values)
  let own = edits[0]!
  // rows without an edit are given their neighbour's: the fewer changes, the fewer pieces
  const tensors = step.map((edit) => values.placed((own = edit ?? own).point.name, own.value))
  const all = values.rows(tensors, point, rows)
  return places && units ? tf.gather(all, tf.tensor1d([...places.keys()], 'int32'), unitAxis(point)) : all
}

/** Numbers of one position, a row each: [R,1,…]; of one unit, with an axis of length 1 for the units. */
function vectors(
  point: HookPoint,
  step: readonly (ResolvedEdit | undefined)[],
  ofUnit: boolean,
  values: ValueSource,
): tf.Tensor {
  const length = step.find((edit) => edit !== undefined)!.value as { values: ArrayLike<number> }
  const size = length.values.length
  const data = new Float32Array(step.length * size)
  step.forEach((edit, r) => edit?.value.kind === 'vector' && data.set(Float32Array.from(edit.value.values), r * size))
  return tf.tensor(data, [step.length, 1, ...values.vectorShape(point, size, ofUnit)])
}

export const positionAxis = ({ shape }: HookPoint): number => axesOf(shape).indexOf('P')
