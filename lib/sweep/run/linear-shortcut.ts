/**
 * What edits of heads, neurons, latents and errors add to the value at a later point: the change of each edited unit
 * times the direction that it writes. Exact, as everything between is linear.
 * Axes: R rows · Q positions · U edited units of the rows · D d_model, or the width of an SAE's point
 */
import * as tf from '@tensorflow/tfjs'
import { packedWeight } from '../../weights/packed.js'
import type { Attachable } from '../../core/splice.js'
import { matMul } from '../../ops/products.js'
import { parseHook } from '../../transformer/hook-names.js'
import { writerOf } from '../../transformer/writers.js'
import { editRows, type ResolvedEdit } from '../edits/index.js'
import { unitAxis } from '../../core/axes.js'
import type { LinearShortcut } from '../plan/index.js'
import type { BatchContext, EditedRows } from './run-context.js'

/** The sum over the edited points of a shortcut: [R,Q,D], or [R,Q,…] as the SAE's point has it. */
export function directWrite(context: BatchContext, rows: EditedRows, { site, sae, points }: LinearShortcut): tf.Tensor {
  const parts = points.map((name) => {
    const change = changeAt(context, rows, name)
    return sae ? ofSae(context, { site, sae: sae.sae, name }, change) : throughSite(context, site, change)
  })
  return parts.reduce((sum, part) => sum.add(part))
}

/** How edits change the value at a point. */
interface Change {
  /** [R,Q,U,…] */
  readonly tensor: tf.Tensor
  /** The U units; undefined for all. */
  readonly units: readonly number[] | undefined
}

/** How the rows' edits change the clean value at a point, of the edited units alone. */
function changeAt({ points, clean, values }: BatchContext, rows: EditedRows, name: string): Change {
  const point = points.get(name)!
  const edits = rows.edits.map((own) => own.filter((edit) => edit.point.name === name))
  const units = parseHook(name).sae === 'hook_sae_error' ? undefined : editedUnits(edits.flat())
  const kept = clean.kept.get(name)
  const indices = units?.map((unit) => kept?.get(unit) ?? unit)
  const all = clean.get(name)
  const some = indices ? tf.gather(all, tf.tensor1d(indices, 'int32'), unitAxis(point)) : all
  const before = clean.select(some, rows)
  const unitIndex = units && new Map(units.map((unit, i) => [unit, i]))
  return { tensor: editRows(before, { point, edits, rows, values, unitIndex }).sub(before), units }
}

/** Undefined where an edit acts on all. */
function editedUnits(edits: readonly ResolvedEdit[]): number[] | undefined {
  const units = edits.map((edit) => edit.units)
  if (units.includes(undefined)) return undefined
  return [...new Set(units.flatMap((own) => own ?? []))].sort((a, b) => a - b)
}

/** A change of an SAE's latents or error, at its point, or in the residual stream where a matrix leads there. */
function ofSae(
  context: BatchContext,
  { site, sae, name }: { readonly site: string; readonly sae: Attachable; readonly name: string },
  change: Change,
): tf.Tensor {
  const { tensor } = change
  const [rows, positions] = tensor.shape as [number, number]
  const flat = parseHook(name).sae === 'hook_sae_error' ? tensor : throughLatents(sae, change)
  const atSite = flat.reshape([rows, positions, flat.size / (rows * positions)])
  const isInner = writerOf(site, context.points)?.matrix !== undefined
  return isInner ? throughSite(context, site, { tensor: atSite, units: undefined }) : atSite
}

const flatRows = (x: tf.Tensor): tf.Tensor2D => x.reshape([x.shape[0]! * x.shape[1]!, -1])

/** Latents' changes [R,Q,U] by what one unit of each writes: [R·Q,D]. */
function throughLatents(sae: Attachable, { tensor, units }: Change): tf.Tensor2D {
  return matMul(flatRows(tensor), sae.writes(units && { latents: units }).directions)
}

/** A change at z, the heads' results, the neurons or an MLP's output, in the residual stream: [R,Q,D]. */
function throughSite({ model, points }: BatchContext, site: string, { tensor, units }: Change): tf.Tensor {
  const { weights, config } = model
  const writer = writerOf(site, points)
  if (writer?.sumsHeads) return tensor.sum(2)
  if (writer?.matrix === undefined) return tensor
  const W = packedWeight(weights, config, writer.matrix) // [H,K,D] or [M,D]
  const some = units && units.length < W.shape[0]! // in order, each once
  const rows = some ? tf.gather(W, tf.tensor1d([...units], 'int32')) : W
  const product = matMul(flatRows(tensor), rows.reshape<tf.Tensor2D>([-1, config.dModel]))
  return product.reshape([...tensor.shape.slice(0, 2), config.dModel])
}
