/** What the verbs of a model take, and the names of it for `checkOptions`. */
import type * as tf from '@tensorflow/tfjs'
import type { NameFilter } from './hook-filters.js'
import type { Metric, MetricFunction } from './metrics.js'
import type { PositionSlice } from './positions.js'
import type { SpliceOptions } from './splice.js'
import type { OptionNames } from '../errors/options.js'
import { tokenOptionNames, type TokenOptions } from '../tokens/tokens.js'

export interface RunOptions extends TokenOptions {
  /**
   * Start at this block (0 to L − 1; L is the final norm) with this residual stream [B,P,D], the block's input, instead
   * of at the embedding: what comes before is not computed.
   */
  readonly from?: { readonly layer: number; readonly resid: tf.Tensor3D }
}

export interface CacheOptions extends TokenOptions {
  /** Which hook points to keep. @default all but those on request */
  readonly names?: NameFilter
  /** Keep only these positions, an axis of length 1 for a single one. */
  readonly positions?: PositionSlice
  /**
   * Token ids give the logits of these alone, [B,P,C], for a fraction of the time; false leaves the logits out and stops
   * behind the last block that is needed. @default true
   */
  readonly logits?: boolean | readonly number[]
}

export interface GradientOptions extends TokenOptions {
  /** `logitDiff(…)`, `logProb(…)` or any function from logits [B,P,V] to a scalar or one number a prompt [B]. */
  readonly metric: Metric | MetricFunction
  /** Where to take activations and gradients. @default all points but those on request */
  readonly names?: NameFilter
}

export interface AttachOptions extends SpliceOptions {
  /** Attach an SAE although it was trained on weights processed otherwise. @default false */
  readonly force?: boolean
}

export const runOptionNames: OptionNames<RunOptions> = { ...tokenOptionNames, from: true }
export const cacheOptionNames: OptionNames<CacheOptions> = {
  ...tokenOptionNames,
  names: true,
  positions: true,
  logits: true,
}
export const gradientOptionNames: OptionNames<GradientOptions> = { ...tokenOptionNames, metric: true, names: true }
export const attachOptionNames: OptionNames<AttachOptions> = { errorTerm: true, errorGradient: true, force: true }
