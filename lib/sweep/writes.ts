/**
 * What edits of heads, neurons, latents and errors add to the value at a later point: the change of each edited unit
 * times the direction that it writes. Exact, as everything between is linear.
 * Axes: R rows · Q positions · U edited units of the batch · D d_model, or the width of an SAE's point
 */
import * as tf from '@tensorflow/tfjs'
import { matMul } from '../ops/linear.js'
import { writerOf } from '../transformer/writers.js'
import type { Attachable } from '../core/splice.js'
import { editRows, type RowsAt } from './apply.js'
import type { CleanRun } from './clean.js'
import { unitAxis, type ResolvedEdit } from './edits.js'
import type { Write } from './landing.js'
import type { RowsContext } from './reads.js'
import type { ValueSource } from './values.js'

export type { Write }

/** Rows and their edits. */
type Edited = RowsAt & { readonly edits: readonly (readonly ResolvedEdit[])[] }

/** The sum over the edited points of a start: [R,Q,D], or [R,Q,…] as the SAE's point has it. */
export function written(
  context: RowsContext,
  clean: CleanRun,
  values: ValueSource,
  batch: Edited,
  { site, sae, points }: Write,
): tf.Tensor {
  const parts = points.map((name) => {
    const { change, units } = changeAt(context, clean, values, batch, name)
    if (!sae) return throughSite(context, site, change, units)
    const lead = change.shape.slice(0, 2)
    const flat = name.endsWith('.hook_sae_error') ? change : throughLatents(sae.sae, change, units)
    const atSite = flat.reshape([...lead, flat.size / (lead[0]! * lead[1]!)])
    const isInner = writerOf(site, context.points)?.matrix !== undefined
    return isInner ? throughSite(context, site, atSite, undefined) : atSite
  })
  return parts.reduce((sum, part) => sum.add(part))
}

interface Change {
  /** [R,Q,U,…] */
  readonly change: tf.Tensor
  /** The U units; undefined for all. */
  readonly units: readonly number[] | undefined
}

/** How the batch's edits change the clean value at a point, of the edited units alone. */
function changeAt(context: RowsContext, clean: CleanRun, values: ValueSource, batch: Edited, name: string): Change {
  const point = context.points.get(name)!
  const edits = batch.edits.map((own) => own.filter((edit) => edit.point.name === name))
  const units = name.endsWith('.hook_sae_error') ? undefined : editedUnits(edits.flat())
  const kept = context.kept.get(name)
  const places = units && new Map(units.map((unit, i) => [unit, i]))
  const all = clean.get(name)
  const indices = units?.map((unit) => (kept ? kept.get(unit)! : unit))
  const some = indices ? tf.gather(all, tf.tensor1d(indices, 'int32'), unitAxis(point)) : all
  const before = clean.rowsOf(some, batch)
  return { change: editRows(before, point, edits, batch, values, places).sub(before), units }
}

/** Undefined where an edit acts on all. */
function editedUnits(edits: readonly ResolvedEdit[]): number[] | undefined {
  if (edits.some((edit) => !edit.units)) return undefined
  return [...new Set(edits.flatMap((edit) => edit.units!))].sort((a, b) => a - b)
}

const flatRows = (x: tf.Tensor): tf.Tensor2D => x.reshape([x.shape[0]! * x.shape[1]!, -1])

/** Latents' changes [R,Q,U] by what one unit of each writes: [R·Q,D]. */
function throughLatents(sae: Attachable, change: tf.Tensor, units: readonly number[] | undefined): tf.Tensor2D {
  return matMul(flatRows(change), sae.writes(units && { latents: units }).directions)
}

/** A change at z, the heads' results, the neurons or an MLP's output, in the residual stream: [R,Q,D]. */
function throughSite(
  { model, points }: RowsContext,
  site: string,
  change: tf.Tensor,
  units: readonly number[] | undefined,
): tf.Tensor {
  const { matrix, sumsHeads } = writerOf(site, points)!
  if (sumsHeads) return change.sum(2)
  if (matrix === undefined) return change
  const W = model.architecture.weight(model.weights, model.config, matrix) // [H,K,D] or [M,D]
  const some = units && units.length < W.shape[0]! // in order, each once
  const rows = some ? tf.gather(W, tf.tensor1d([...units], 'int32')) : W
  const product = matMul(flatRows(change), rows.reshape<tf.Tensor2D>([-1, model.config.dModel]))
  return product.reshape([...change.shape.slice(0, 2), model.config.dModel])
}
