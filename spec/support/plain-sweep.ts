/** A sweep the plain way: one whole run for each intervention, its edits made number by number on the host. */
import * as tf from '@tensorflow/tfjs'
import { axesOf } from '../../lib/core/hooks.js'
import type { Metric } from '../../lib/core/metrics.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import type { Edit } from '../../lib/sweep/index.js'
import type { Tokens } from '../../lib/tokens/tokens.js'

export interface PlainOptions {
  readonly source?: Tokens
  /** The source prompt of each prompt, for `resample`. */
  readonly order?: readonly number[]
}

/** The metric of a run with these edits, one number a prompt. */
export function plainMetric(
  view: HookedModel,
  tokens: Tokens,
  edits: readonly Edit[],
  metric: Metric,
  options: PlainOptions = {},
): number[] {
  const reading = metric.reading!(view.metricContext(tokens))
  const prompts = tokens.rows.map((_, b) => b)
  return tf.tidy(() => {
    const read = (of: HookedModel) =>
      reading.hook === undefined ? of.run(tokens) : activation(of, tokens, reading.hook)
    const hooks = edits.map((edit) => [edit.hook, (x: tf.Tensor) => edited(view, tokens, edit, x, options)] as const)
    const after = picked(read(view.withHooks(hooks)), reading)
    const clean = reading.needsClean ? picked(read(view), reading) : undefined
    return Array.from(reading.of(after, prompts, clean).dataSync())
  })
}

function activation(view: HookedModel, tokens: Tokens, name: string): tf.Tensor {
  using cache = view.runWithCache(tokens, { names: name })
  return cache.get(name).clone()
}

/** What a metric reads of x [B,P,…], number by number. */
function picked(
  x: tf.Tensor,
  { positions, columns }: { positions: readonly (readonly number[])[]; columns?: readonly number[] },
): tf.Tensor3D {
  const all = x.reshape<tf.Tensor3D>([x.shape[0]!, x.shape[1]!, -1]).arraySync()
  return tf.tensor3d(
    positions.map((own, b) => own.map((p) => (columns ? columns.map((c) => all[b]![p]![c]!) : all[b]![p]!))),
  )
}

function edited(view: HookedModel, tokens: Tokens, edit: Edit, x: tf.Tensor, options: PlainOptions): tf.Tensor {
  const axes = axesOf(view.hookPoints.find((point) => point.name === edit.hook)!.shape)
  const unitAxis = axes.findIndex((axis) => 'HGSM'.includes(axis))
  const positionAxis = axes.indexOf('P')
  const units = edit.unit === undefined ? undefined : [edit.unit].flat()
  const positions =
    edit.position === undefined ? undefined : [edit.position].flat().map((p) => promptPositions(tokens, p))
  const value = replacement(view, tokens, edit, options)
  const values = x.dataSync().slice()
  const strides = x.shape.map((_, i) => x.shape.slice(i + 1).reduce((n, d) => n * d, 1))
  for (let offset = 0; offset < values.length; offset++) {
    const index = x.shape.map((n, i) => Math.floor(offset / strides[i]!) % n)
    const b = index[0]!
    if (units && !units.includes(index[unitAxis]!)) continue
    if (positions && !positions.some((each) => each[b] === index[positionAxis])) continue
    const inside = units && axes.length > unitAxis + 1 ? strides[unitAxis]! : units ? 1 : strides[1]!
    const given = value(offset, offset % inside, offset % strides[1]!)
    values[offset] = edit.add === undefined ? given : values[offset]! + given
  }
  return tf.tensor(values, x.shape)
}

/** From the place in the activation, in the unit and in the position to the number. */
function replacement(
  view: HookedModel,
  tokens: Tokens,
  edit: Edit,
  { source = tokens, order }: PlainOptions,
): (offset: number, inUnit: number, inPosition: number) => number {
  const given = edit.to ?? edit.add
  if (given === 'zero') return () => 0
  if (typeof given === 'number') return () => given
  if (given instanceof tf.Tensor) {
    const values = given.dataSync()
    return (offset) => values[offset]!
  }
  if (typeof given === 'string') {
    const x = activation(view, source, edit.hook)
    const values = x.dataSync()
    const size = values.length / source.batch
    if (given === 'mean') return meanOf(values, source)
    return (offset) => {
      const b = Math.floor(offset / size)
      return values[(given === 'resample' ? order![b]! : b) * size + (offset % size)]!
    }
  }
  return (_, inUnit) => (given as ArrayLike<number>)[inUnit]!
}

function meanOf(values: ArrayLike<number>, source: Tokens): (_: number, __: number, inPosition: number) => number {
  const width = values.length / (source.batch * source.positions)
  const sums = new Float64Array(width)
  let count = 0
  source.rows.forEach((row, b) =>
    row.forEach((_, p) => {
      if (source.mask?.[b]![p] === 0) return
      count++
      for (let i = 0; i < width; i++) sums[i]! += values[(b * source.positions + p) * width + i]!
    }),
  )
  return (_, __, inPosition) => sums[inPosition]! / count
}
