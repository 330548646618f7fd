/** Units of hook points: heads, neurons and latents. Checked, and taken out of an activation or put back. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../errors/errors.js'
import { unitAxis } from './axes.js'
import { axesOf, type HookPoint } from './hooks.js'
import type { LoadedModel, View } from './view.js'

/** A hook point of a view. */
interface PointOfView {
  readonly point: HookPoint
  readonly model: Pick<LoadedModel, 'config'>
  readonly view: Pick<View, 'attached'>
}

/** The units as a list. @throws ArgumentError where the point has none, or not these */
export function checkedUnits(
  verb: string,
  { point, model, view }: PointOfView,
  unit: number | readonly number[],
): readonly number[] {
  const axis = axesOf(point.shape)[unitAxis(point)]
  if (axis === undefined) {
    throw new ArgumentError(
      `${verb}: '${point.name}' of shape ${point.shape} has no heads, neurons or latents. Leave 'unit' out.`,
    )
  }
  const { nHeads, nKeyValueHeads = nHeads, dMlp } = model.config
  const sae = view.attached.find(({ readsAt }) => point.name.startsWith(`${readsAt}.hook_sae_acts_`))?.sae
  const count = { H: nHeads, G: nKeyValueHeads, M: dMlp }[axis] ?? Infinity
  const units = [unit].flat() as number[]
  for (const one of units) {
    if (sae && axis === 'S') sae.checkLatent(one)
    if (Number.isInteger(one) && one >= 0 && one < count) continue
    throw new ArgumentError(`${verb}: '${point.name}' has no unit ${one}. It has 0 to ${count - 1}.`)
  }
  if (units.length === 0) throw new ArgumentError(`${verb}: 'unit' at '${point.name}' is []. Give at least one.`)
  return units
}

/** Some units of an activation along an axis, in this order: an axis of so many entries. Differentiable. */
export function takeUnits<T extends tf.Tensor>(x: T, axis: number, units: readonly number[]): T {
  const parts = units.map((unit) => sliceAlong(x, axis, unit, 1))
  return (parts.length === 1 ? parts[0]! : tf.concat(parts, axis)) as T
}

/** The activation with these units in the place of its own. Differentiable in both. */
export function putUnits<T extends tf.Tensor>(x: T, axis: number, replaced: { units: readonly number[]; by: T }): T {
  const { units, by } = replaced
  const order = units.map((unit, i) => ({ unit, i })).sort((a, b) => a.unit - b.unit)
  const parts: tf.Tensor[] = []
  let begin = 0
  for (const { unit, i } of order) {
    if (unit > begin) parts.push(sliceAlong(x, axis, begin, unit - begin))
    parts.push(sliceAlong(by, axis, i, 1))
    begin = unit + 1
  }
  const left = x.shape[axis]! - begin
  if (left > 0) parts.push(sliceAlong(x, axis, begin, left))
  return tf.concat(parts, axis) as T
}

/** A slice has a gradient on every backend, a gather not. */
function sliceAlong(x: tf.Tensor, axis: number, begin: number, size: number): tf.Tensor {
  return x.slice(
    x.shape.map((_, i) => (i === axis ? begin : 0)),
    x.shape.map((n, i) => (i === axis ? size : n)),
  )
}
