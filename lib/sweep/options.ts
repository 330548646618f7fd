/** What a sweep takes. */
import type { AnyMetric } from '../core/metrics.js'
import type { Prompts, TokenOptions } from '../tokens/tokens.js'
import type { Intervention } from './edits/index.js'

export interface SweepOptions extends TokenOptions {
  /** Bytes for activations, the weights left out; larger batches take more and are faster. @default 2 ** 29 */
  readonly budget?: number
  /** Called after each intervention; the default shows a line or a bar with the time left on stderr. */
  readonly progress?: (done: number, total: number) => void
  /** Stops the sweep between two batches: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** A file for results so far, written every few seconds and when the sweep stops; it continues from what is there. */
  readonly save?: string
  /**
   * Prompts for `to: 'source'`, 'mean' and 'resample'; 'source' needs them, and `extra.source` then holds the metric on
   * them, unless it is a function of logits. @default the prompts themselves
   */
  readonly source?: Prompts
  /** For `to: 'resample'`. @default 0 */
  readonly seed?: number
  /** What results and messages call it. @default 'sweep' */
  readonly kind?: string
}

/** What `HookedModel.sweep` takes. */
export type SweepArguments = [
  input: Prompts,
  interventions: readonly Intervention[],
  metric: AnyMetric,
  options?: SweepOptions,
]
