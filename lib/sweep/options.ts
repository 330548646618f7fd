/** What a sweep takes. */
import { jobOptionNames, type JobOptions } from '../core/job-options.js'
import type { AnyMetric } from '../core/metrics.js'
import type { OptionNames } from '../errors/options.js'
import { tokenOptionNames, type Prompts, type TokenOptions } from '../tokens/tokens.js'
import type { Intervention } from './edits/index.js'

/** How a sweep is run: what analyses that are sweeps take and hand on. `checkpoint` is written every few seconds. */
export interface SweepJobOptions extends TokenOptions, JobOptions {
  /** Bytes for activations, the weights left out; larger batches take more and are faster. @default 2 ** 29 */
  readonly budget?: number
}

/** The names of `SweepJobOptions`, for `checkOptions`. */
export const sweepJobOptionNames: OptionNames<SweepJobOptions> = {
  ...tokenOptionNames,
  ...jobOptionNames,
  budget: true,
}

/** Those of an analysis's options that it hands on to its sweep. */
export function sweepJobOptions(options: SweepJobOptions): SweepJobOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => Object.hasOwn(sweepJobOptionNames, name) && value !== undefined),
  )
}

/** What `HookedModel.sweep` takes. */
export interface SweepOptions extends SweepJobOptions {
  /** What is changed: each is an edit, or several made in one run. */
  readonly interventions: readonly Intervention[]
  /** What the changes are measured by: `logitDiff(…)`, `loss()` …, or a function from logits [B,P,V] to [B] or a scalar. */
  readonly metric: AnyMetric
  /**
   * Prompts that `patch`, `mean` and `resample` take activations from; `patch` needs them, and the result's `source` is
   * then the metric on them, unless it is a function of logits. @default the prompts themselves
   */
  readonly source?: Prompts
  /** For `resample`. @default 0 */
  readonly seed?: number
  /** What results and messages call it. @default 'sweep' */
  readonly kind?: string
}

/** The names of `SweepOptions`, for `checkOptions`. */
export const sweepOptionNames: OptionNames<SweepOptions> = {
  ...sweepJobOptionNames,
  interventions: true,
  metric: true,
  source: true,
  seed: true,
  kind: true,
}
