/** What the metric reads of runs without edits. */
import * as tf from '@tensorflow/tfjs'
import { makeAt } from '../../core/hooks.js'
import { partialLogits, pickRead } from '../../core/metric-inputs.js'
import { viewTaps } from '../../core/view.js'
import type { RowsAt } from '../subject.js'
import type { CleanRun } from './clean-run.js'
import type { RunContext } from './run-context.js'

/** What the metric reads of a clean run, for all its prompts: [B,n,C], or without a reading all logits [B,P,V]. The caller owns it. */
export function readClean(context: RunContext, clean: CleanRun): tf.Tensor3D {
  const { tokens, first } = clean
  const prompts = tokens.rows.map((_, b) => first + b)
  const hook = context.reading?.hook
  if (hook !== undefined) return readUnedited(context, clean.get(hook), { prompts, begin: 0, count: tokens.positions })
  return readUnedited(context, clean.final, { prompts, begin: clean.finalBegin, count: clean.final.shape[1] })
}

/**
 * What the metric reads of the activation that it reads, or of the residual stream after all blocks, [B,Q,…], as a run
 * without edits has them. The caller owns it.
 */
export function readUnedited(context: RunContext, x: tf.Tensor, rows: RowsAt): tf.Tensor3D {
  const { reading, view } = context
  if (reading?.hook !== undefined) return tf.tidy(() => pickRead(x, reading, rows))
  using taps = viewTaps(view, [])
  const at = makeAt(taps)
  return tf.tidy(() => partialLogits(x as tf.Tensor3D, { ...context, rows }, at))
}
