/** Sweeps as analyses make them: under the analysis's name, with its options. */
import type { AnyMetric } from '../lib/core/metrics.js'
import type { HookedModel } from '../lib/model.js'
import type { EffectResult } from '../lib/report/result/effect-result.js'
import { sweepJobOptions, type Intervention, type SweepJobOptions } from '../lib/sweep/index.js'
import type { Tokens } from '../lib/tokens/tokens.js'

/** A sweep to be made. */
export interface EffectSweep {
  /** What messages call it. */
  readonly name: string
  readonly edits: readonly Intervention[]
  readonly metric: AnyMetric
  /** Those of the analysis, of which the sweep takes its own. */
  readonly options: SweepJobOptions
  /** Prompts that activations come from. */
  readonly source?: Tokens
  readonly seed?: number
}

/** The change of the metric under each intervention: axes [intervention, prompt]. @throws as `HookedModel.sweep` */
export function sweepEffects(
  view: HookedModel,
  tokens: Tokens,
  { name, edits, metric, options, source, seed }: EffectSweep,
): Promise<EffectResult> {
  const from = { ...(source !== undefined && { source }), ...(seed !== undefined && { seed }) }
  return view.sweep(tokens, { ...sweepJobOptions(options), ...from, interventions: edits, metric, kind: name })
}
