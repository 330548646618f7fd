/**
 * What a metric reads of a run: logits at its positions, of its tokens, or an activation.
 * Axes: R rows · Q positions from `begin` · n positions read · C tokens or features read
 */
import * as tf from '@tensorflow/tfjs'
import { makeAt, type At, type HookPoint } from '../core/hooks.js'
import type { Reading } from '../core/metrics.js'
import { pickPositions } from '../ops/pick.js'
import type { Columns } from '../transformer/unembed.js'
import { viewTaps, type LoadedModel, type View } from '../core/view.js'
import type { RowsAt } from './apply.js'
import type { CleanRun, Kept } from './clean.js'

/** What all waves of a sweep share. */
export interface RowsContext {
  readonly model: LoadedModel
  readonly points: ReadonlyMap<string, HookPoint>
  /** The view with the SAEs that have to be run. */
  readonly view: View
  readonly kept: Kept
  /** What the metric reads; undefined where it is a function of whole logits. */
  readonly reading: Reading | undefined
  /** The columns of the unembedding that are read, where they are few. */
  readonly columns: Columns | undefined
  /** Whether logits of one position of each prompt are read and nothing else, so that the last block is run for it alone. */
  readonly readsOne: boolean
}

/** What the metric reads of a clean run, for all its prompts. The caller owns it. */
export function readClean(context: RowsContext, clean: CleanRun): tf.Tensor3D {
  const { tokens, first } = clean
  const prompts = tokens.rows.map((_, b) => first + b)
  const hook = context.reading?.hook
  if (hook !== undefined) return readUnedited(context, clean.get(hook), { prompts, begin: 0, count: tokens.positions })
  return readUnedited(context, clean.final, { prompts, begin: clean.finalBegin, count: clean.final.shape[1] })
}

/**
 * What the metric reads of the activation that it reads, or of the residual stream behind all blocks, [B,Q,…], as a run
 * without edits has them. The caller owns it.
 */
export function readUnedited(context: RowsContext, x: tf.Tensor, rows: RowsAt): tf.Tensor3D {
  const { reading } = context
  if (reading?.hook !== undefined) return tf.tidy(() => pickedOf(x, reading, rows))
  using taps = viewTaps(context.view, [])
  const at = makeAt(taps)
  return tf.tidy(() => readLogits(context, rows, x as tf.Tensor3D, at))
}

/** Logits that are read of the residual stream behind all blocks [R,Q,D]: [R,n,C], or without a reading all [R,Q,V]. */
export function readLogits(
  { model, reading, columns }: Pick<RowsContext, 'model' | 'reading' | 'columns'>,
  rows: RowsAt,
  resid: tf.Tensor3D,
  at: At,
): tf.Tensor3D {
  const some = reading ? pickedOf(resid, reading, rows) : resid
  const { architecture, weights, config } = model
  const tokens = tf.zeros<tf.Rank.R2>([some.shape[0], some.shape[1]], 'int32')
  const from = { layer: config.nLayers, resid: some }
  const logits = architecture.forward(weights, config, { tokens, from, columns }, at)
  if (columns || !reading?.columns) return logits
  return tf.gather(logits, tf.tensor1d([...reading.columns], 'int32'), 2)
}

/** The positions that are read, of x [R,Q,…] from `begin` on: [R,n,…features as one]. Differentiable. */
export function pickedOf(x: tf.Tensor, reading: Reading, { prompts, begin }: RowsAt): tf.Tensor3D {
  const [rows, count] = x.shape as [number, number]
  const flat = x.reshape<tf.Tensor3D>([rows, count, -1])
  const positions = prompts.map((b) => reading.positions[b]!.map((p) => p - begin))
  const [first] = positions as [number[]]
  if (first.length > 1) return flat.slice([0, first[0]!, 0], [rows, first.length, -1])
  return pickPositions(flat, positions.flat()).reshape([rows, 1, -1])
}
