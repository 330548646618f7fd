/** What ablation and activation patching share: a sweep of one edit for each place (and position) of a target. */
import { positionAxis } from '../../lib/core/labels.js'
import type { AnyMetric } from '../../lib/core/metrics.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { EffectResult, type EffectExtra } from '../../lib/report/result/effect-result.js'
import { range } from '../../lib/stats/range.js'
import { sweepJobOptionNames, type Edit, type Replacement, type SweepJobOptions } from '../../lib/sweep/index.js'
import { tokenOptionsOf, type Prompts, type Tokens } from '../../lib/tokens/tokens.js'
import { sweepEffects } from '../sweep-effects.js'
import { resolveTarget, type Target } from './targets.js'

/** Options of every intervention. */
export interface InterventionOptions extends SweepJobOptions {
  /**
   * What the change is measured by: `logitDiff(…)`, `logProb(…)` … or a function from logits [B,P,V] to [B] or a
   * scalar.
   */
  readonly metric: AnyMetric
  readonly target: Target
  /**
   * Where to intervene: one position (−1 is the last real token), all at once, or each in a run of its own.
   * @default 'all'
   */
  readonly position?: number | 'all' | 'each'
}

/** The names of `InterventionOptions`, for `checkOptions`. */
export const interventionOptionNames: OptionNames<InterventionOptions> = {
  metric: true,
  target: true,
  position: true,
  ...sweepJobOptionNames,
}

/** What comes with the changes. */
export interface InterventionExtra extends EffectExtra {
  /** The position asked for. */
  readonly position: number | 'all' | 'each'
  /** Of an ablation: what took the place of activations. */
  readonly mode?: string
}

/** What takes the place of activations, and what a result says of it. */
export interface Replaced {
  readonly to: Replacement
  readonly source?: Tokens
  readonly seed?: number
  readonly mode?: string
}

/** An intervention to be made. */
export interface InterventionPlan {
  /** What messages call it. */
  readonly name: string
  /** What results call it. */
  readonly kind: string
  readonly options: InterventionOptions
  /** The replacement, or a refusal before any run. */
  prepare(tokens: Tokens): Replaced
}

/** Runs them all: axes [target…, (position), prompt]. */
export async function intervene(
  view: HookedModel,
  prompts: Prompts,
  { name, kind, options, prepare }: InterventionPlan,
): Promise<EffectResult<InterventionExtra>> {
  const { metric, position = 'all' } = options
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const { axes, places } = resolveTarget(name, view, options.target)
  const positions = positionsOf(name, tokens, position)
  const { to, mode, ...from } = prepare(tokens)
  const edits = places.flatMap((place) => positions.map((at): Edit => ({ ...place, ...at, to })))
  const swept = await sweepEffects(view, tokens, { name, edits, metric, options, ...from })
  const each = position === 'each' ? [positionAxis(view, tokens, range(tokens.positions))] : []
  return new EffectResult<InterventionExtra>({
    ...swept,
    kind,
    axes: [...axes, ...each, ...swept.axes.slice(1)],
    extra: { ...swept.extra, position, ...(mode !== undefined && { mode }) },
  })
}

/** Where each run acts. */
function positionsOf(
  name: string,
  tokens: Tokens,
  position: number | 'all' | 'each',
): Pick<Edit, 'position' | 'column'>[] {
  if (position === 'all') return [{}]
  if (position === 'each') return range(tokens.positions).map((column) => ({ column }))
  if (typeof position === 'number') return [{ position }]
  throw new ArgumentError(`${name}: position is ${JSON.stringify(position)}. Give a number, 'all' or 'each'.`)
}
