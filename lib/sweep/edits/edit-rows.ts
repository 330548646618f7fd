/**
 * Edits made on rows of a batch, each row with edits of its own.
 * Axes: R rows · Q positions of the batch (from `begin`) · then those of the hook point
 */
import * as tf from '@tensorflow/tfjs'
import { axisOfPositions } from '../../core/axes.js'
import { axesOf, type HookPoint } from '../../core/hooks.js'
import { range } from '../../stats/range.js'
import type { RowsAt, UnitIndex } from '../subject.js'
import { type ResolvedEdit } from './edit.js'
import { unitAxis } from '../../core/axes.js'
import type { EditValues } from './edit-values.js'

/** Rows, and the edits that each has at one hook point, in their order. */
export interface EditsAt {
  readonly point: HookPoint
  readonly rows: RowsAt
  readonly edits: readonly (readonly ResolvedEdit[])[]
  readonly values: EditValues
  /** Where x holds some units alone. */
  readonly unitIndex?: UnitIndex | undefined
}

/** At most one edit a row, all of which one operation makes. */
interface EditStep extends Omit<EditsAt, 'edits'> {
  readonly edits: readonly (ResolvedEdit | undefined)[]
  /** The first of them, which stands for what they have in common. */
  readonly example: ResolvedEdit
}

/** x [R,Q,…] with each row's edits made. Runs inside the caller's tidy. */
export function editRows(x: tf.Tensor, editsAt: EditsAt): tf.Tensor {
  return stepsOf(editsAt).reduce((value, step) => editStep(value, step), x)
}

/** The first edits of all rows, those of one kind at a time, then the second ones, and so on. */
function stepsOf(editsAt: EditsAt): EditStep[] {
  const most = Math.max(0, ...editsAt.edits.map((own) => own.length))
  return range(most).flatMap((k) => {
    const examples = new Map<string, ResolvedEdit>()
    for (const { [k]: edit } of editsAt.edits) {
      if (edit && !examples.has(kindOf(edit))) examples.set(kindOf(edit), edit)
    }
    return [...examples].map(([kind, example]) => {
      const edits = editsAt.edits.map(({ [k]: edit }) => (edit && kindOf(edit) === kind ? edit : undefined))
      return { ...editsAt, edits, example }
    })
  })
}

/** Edits of one kind are made by one operation for all rows. */
function kindOf({ mode, value, units }: ResolvedEdit): string {
  const { kind } = value
  return `${mode} ${kind === 'number' || kind === 'vector' ? kind : 'tensor'} ${kind === 'vector' && units !== undefined}`
}

function editStep(x: tf.Tensor, step: EditStep): tf.Tensor {
  const selected = selection(x, step)
  const value = stepValue(step)
  if (step.example.mode === 'add') return x.add(selected ? value.mul(selected.toFloat()) : value)
  if (selected) return tf.where(selected, value, x) // no product with the mask: masked scores are −Infinity
  return value.shape.join() === x.shape.join() ? value : tf.broadcastTo(value, x.shape)
}

/** True where a row's edit acts, with length 1 on axes it does not distinguish; undefined where all act everywhere. */
function selection(x: tf.Tensor, { point, edits, rows, unitIndex }: EditStep): tf.Tensor | undefined {
  const anyPositions = edits.some((edit) => edit?.positions)
  const anyUnits = edits.some((edit) => edit?.units)
  if (!anyPositions && !anyUnits && edits.every(Boolean)) return undefined
  const [units, positions] = [unitAxis(point), axisOfPositions(point)]
  const [U, Q] = [anyUnits ? (x.shape[units] ?? 1) : 1, anyPositions ? rows.count : 1]
  const [unitStep, positionStep] = units >= 0 && units < positions ? [Q, 1] : [1, U]
  const mask = new Uint8Array(edits.length * U * Q)
  edits.forEach((edit, r) => {
    if (!edit) return
    const atPositions = anyPositions ? positionsIn(rows, edit.positions?.[rows.prompts[r]!]) : [0]
    const ofUnits = anyUnits ? (edit.units?.map((u) => unitIndex?.get(u) ?? u) ?? range(U)) : [0]
    for (const q of atPositions) for (const u of ofUnits) mask[r * U * Q + q * positionStep + u * unitStep] = 1
  })
  const shape = x.shape.map((_, i) => (i === 0 ? edits.length : i === positions ? Q : i === units ? U : 1))
  return tf.tensor(mask, shape, 'bool')
}

/** Those of some positions, or all, that rows have, counted from the rows' first. */
function positionsIn({ begin, count }: RowsAt, positions: readonly number[] | undefined): number[] {
  return positions ? positions.flatMap((p) => (p >= begin && p < begin + count ? [p - begin] : [])) : range(count)
}

/** What the edits of a step put in or add, ready to be broadcast to x. */
function stepValue(step: EditStep): tf.Tensor {
  const { kind } = step.example.value
  if (kind === 'number') return numbers(step)
  return kind === 'vector' ? vectors(step) : tensors(step)
}

/** A number for all rows, or one each: [] or [R,1,…]. */
function numbers({ point, edits }: EditStep): tf.Tensor {
  const each = edits.flatMap((edit) => (edit?.value.kind === 'number' ? [edit.value.value] : []))
  const [first = 0] = each
  if (each.every((value) => value === first)) return tf.scalar(first)
  const ofRows = edits.map((edit) => (edit?.value.kind === 'number' ? edit.value.value : 0))
  const shape = axesOf(point.shape).map((_, i) => (i === 0 ? edits.length : 1))
  return tf.tensor(ofRows, shape)
}

/** Numbers of one position, a row each: [R,1,…]; of one unit, with an axis of length 1 for the units. */
function vectors({ point, edits, example, values }: EditStep): tf.Tensor {
  const each = edits.map((edit) => (edit?.value.kind === 'vector' ? Float32Array.from(edit.value.values) : undefined))
  const size = each.find((own) => own !== undefined)?.length ?? 0
  const data = new Float32Array(edits.length * size)
  each.forEach((own, r) => own && data.set(own, r * size))
  return tf.tensor(data, [edits.length, 1, ...values.vectorShape(point, size, example.units !== undefined)])
}

/** Tensors of whole activations, a row each; of some units alone where x holds these. */
function tensors({ point, edits, example, rows, values, unitIndex }: EditStep): tf.Tensor {
  let last = example
  // rows without an edit are given their neighbour's: the fewer changes, the fewer pieces
  const each = edits.map((edit) => values.tensorOf((last = edit ?? last)))
  const all = values.rows(each, point, rows)
  return unitIndex && example.units ? tf.gather(all, tf.tensor1d([...unitIndex.keys()], 'int32'), unitAxis(point)) : all
}
