/**
 * What a metric reads of a run: logits at its positions, of its tokens, or an activation.
 * Axes: R rows · Q positions from `begin` · n positions read · C tokens or features read
 */
import * as tf from '@tensorflow/tfjs'
import { forward } from '../transformer/forward.js'
import type { At } from './hooks.js'
import type { Reading } from './metrics.js'
import { pickPositions } from '../ops/pick.js'
import type { Columns } from '../transformer/unembed.js'
import type { LoadedModel } from './view.js'

/** Row r is prompt `prompts[r]`, from position `begin` on. */
export interface ReadRows {
  readonly prompts: readonly number[]
  readonly begin: number
}

/** The part of the logits that is read. */
export interface LogitPart {
  readonly model: LoadedModel
  /** Undefined for all of them. */
  readonly reading: Reading | undefined
  /** The columns of the unembedding that are read, where they are few. */
  readonly columns: Columns | undefined
}

/** Logits that are read of the residual stream after all blocks [R,Q,D]: [R,n,C], or without a reading all [R,Q,V]. */
export function partialLogits(
  resid: tf.Tensor3D,
  { model, reading, columns, rows }: LogitPart & { readonly rows: ReadRows },
  at: At,
): tf.Tensor3D {
  const some = reading ? pickRead(resid, reading, rows) : resid
  const tokens = tf.zeros<tf.Rank.R2>([some.shape[0], some.shape[1]], 'int32')
  const from = { layer: model.config.nLayers, resid: some }
  const logits = forward(model, { tokens, from, columns }, at)
  if (columns || !reading?.columns) return logits
  return tf.gather(logits, tf.tensor1d([...reading.columns], 'int32'), 2)
}

/** The positions that are read, of x [R,Q,…]: [R,n,…features as one]. Differentiable. */
export function pickRead(x: tf.Tensor, reading: Reading, { prompts, begin }: ReadRows): tf.Tensor3D {
  const [rows, count] = x.shape as [number, number]
  const flat = x.reshape<tf.Tensor3D>([rows, count, -1])
  const positions = prompts.map((b) => reading.positions[b]!.map((p) => p - begin))
  const [first] = positions as [number[]]
  if (first.length > 1) return flat.slice([0, first[0]!, 0], [rows, first.length, -1])
  return pickPositions(flat, positions.flat()).reshape([rows, 1, -1])
}
