/**
 * What ablation and activation patching share: a sweep of one edit for each site (and position), laid out along the
 * target's axes. Results hold the change of the metric; `baseline` is the metric without.
 */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { AnyMetric } from '../../lib/core/metrics.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts, Tokens } from '../../lib/tokens/tokens.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { EffectResult } from '../../lib/report/result/effect-result.js'
import { sweepJobOptions, type Edit, type Replacement, type SweepJobOptions } from '../../lib/sweep/index.js'
import { positionAxis } from '../../lib/core/labels.js'
import { resolveTarget, type Target } from './targets.js'

/** Options of every intervention. */
export interface InterventionOptions extends SweepJobOptions {
  /** What the change is measured by: `logitDiff(…)`, `logProb(…)` or a function from logits [B,P,V] to [B] or a scalar. */
  readonly metric: AnyMetric
  readonly target: Target
  /** Where to intervene: one position (−1 is the last real token), all at once, or each in a run of its own. */
  readonly position?: number | 'all' | 'each'
}

/** What takes the place of activations, and what a result says of it. */
export interface Replaced {
  readonly to: Replacement
  readonly source?: Tokens
  readonly seed?: number
  readonly extra?: JsonObject
}

/** Runs them all. `prepare` gives the replacement, or refuses before any run. */
export async function intervene(
  kind: string,
  view: HookedModel,
  input: Prompts,
  options: InterventionOptions,
  prepare: (tokens: Tokens) => Replaced,
): Promise<EffectResult> {
  const tokens = view.toTokens(input, options)
  const { axes, sites } = resolveTarget(kind, view, options.target)
  const places = placesOf(kind, tokens, options.position ?? 'all')
  const { to, extra, ...values } = prepare(tokens)
  const edits = sites.flatMap(({ name: hook, unit }) =>
    places.map((place) => ({
      hook,
      to,
      ...(unit !== undefined && { unit }),
      ...place,
    })),
  )
  const { metric } = options
  const result = await view.sweep(tokens, {
    ...sweepJobOptions(options),
    ...values,
    kind,
    metric,
    interventions: edits,
  })
  const each = options.position === 'each' ? [positionAxis(view, tokens, allPositions(tokens))] : []
  return new EffectResult({
    kind,
    title: result.title,
    unit: result.unit,
    values: result.values,
    axes: [...axes, ...each, result.axes[1]!],
    provenance: result.provenance,
    extra: { ...result.extra, position: options.position ?? 'all', ...extra },
  })
}

const allPositions = ({ positions }: Tokens): number[] => Array.from({ length: positions }, (_, p) => p)

/** The place of each run. */
function placesOf(
  kind: string,
  tokens: Tokens,
  position: number | 'all' | 'each',
): Pick<Edit, 'position' | 'column'>[] {
  if (position === 'all') return [{}]
  if (position === 'each') return allPositions(tokens).map((column) => ({ column }))
  if (typeof position === 'number') return [{ position }]
  throw new ArgumentError(`${kind}: position is ${JSON.stringify(position)}. Give a number, 'all' or 'each'.`)
}
