/**
 * Path patching: what changes when one sender's output reaches one receiver as on the source prompts, by the direct
 * path alone: everything between them is frozen, everything after the receiver runs. Wang et al. 2022, arXiv:2211.00593;
 * Goldowsky-Dill et al. 2023, arXiv:2304.05969 (there MLPs between are run, here they are frozen too).
 */
import type { AnyMetric } from '../../lib/core/metrics.js'
import type { Site } from '../../lib/core/sites.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import { EffectResult } from '../../lib/report/result/effect-result.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import { nothing, sweepJobOptionNames, type Intervention, type SweepJobOptions } from '../../lib/sweep/index.js'
import { tokenOptionsOf, type Prompts } from '../../lib/tokens/tokens.js'
import { NodeLookUp, reaches, type Receiver, type Sender } from '../nodes.js'
import { sweepEffects } from '../sweep-effects.js'
import { PathValues } from './path-values.js'

/** Which paths to patch, from which prompts, and what the change is measured by. */
export interface PathPatchingOptions extends SweepJobOptions {
  /** `logitDiff(…)`, `logProb(…)` … or a function from logits [B,P,V] to [B] or a scalar. */
  readonly metric: AnyMetric
  /** Prompts that senders' outputs come from, one for each prompt, of the same length. */
  readonly source: Prompts
  /**
   * Heads such as `head(9, 6)` or 'L9H6', MLPs such as `point('mlp_out', 3)` or 'MLP3', 'embed'; of the view's SAEs
   * `latents(sae, 183)` or 'latent 183', and 'error', where there are several with the hook point, 'latent 183 at
   * blocks.2.hook_resid_pre'. @default all but those of SAEs
   */
  readonly senders?: readonly (string | Site)[]
  /**
   * Inputs of heads such as `head(9, 6, 'q')` or 'L9H6.q', of MLPs such as `point('mlp_in', 3)` or 'MLP3', and 'final'.
   * @default all of them
   */
  readonly receivers?: readonly (string | Site)[]
  /** All receivers in one run for each sender, rather than one run for each. @default false */
  readonly together?: boolean
}

const optionNames: OptionNames<PathPatchingOptions> = {
  metric: true,
  source: true,
  senders: true,
  receivers: true,
  together: true,
  ...sweepJobOptionNames,
}

/**
 * Change of the metric for every pair, axes [sender, receiver, prompt], or [sender, prompt] with `together`, in the
 * unit of the metric; 0 where no path leads from one to the other. `baseline` is the metric without. It is one sweep, on
 * which `budget`, `signal` and `checkpoint` act as a whole. SAEs between sender and receiver are frozen like all else.
 *
 * @example
 * const senders = [head(1, 7), latents(sae, 183)]
 * const paths = await pathPatching(view, prompts, { metric, source, senders, receivers: [head(2, 3, 'q'), 'final'] })
 * paths.mean('prompt').print()
 * @throws ArgumentError for a node that the model does not have, MismatchError for latents that write by no fixed
 *   direction, before any run
 */
export async function pathPatching(
  view: HookedModel,
  prompts: Prompts,
  options: PathPatchingOptions,
): Promise<EffectResult> {
  const name = 'pathPatching'
  checkOptions(name, options, optionNames)
  const { metric, together = false } = options
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const source = view.toTokens(options.source, tokenOptionsOf(options))
  checkSource(name, tokens, source)
  const nodes = new NodeLookUp(name, view)
  const [senders, receivers] = [nodes.senders(options.senders), nodes.receivers(options.receivers)]
  const groups = together ? [receivers] : receivers.map((receiver) => [receiver])
  using values = new PathValues(view, { tokens, source }, { senders, receivers })
  const edits = senders.flatMap((sender) => groups.map((group) => interventionOf(view, values, { sender, group })))
  const swept = await sweepEffects(view, tokens, { name, edits, metric, options, source })
  const axis = (what: string, list: readonly { name: string }[]) => ({
    name: what,
    labels: list.map((one) => one.name),
  })
  return new EffectResult({
    ...swept,
    kind: 'path patching',
    axes: [axis('sender', senders), ...(together ? [] : [axis('receiver', receivers)]), ...swept.axes.slice(1)],
  })
}

/** A sender and what it is to reach in one run. */
interface Paths {
  readonly sender: Sender
  readonly group: readonly Receiver[]
}

/** The edits of one run; nothing where no path leads from the sender to a receiver. */
function interventionOf(view: HookedModel, values: PathValues, { sender, group }: Paths): Intervention {
  const reached = group.filter((receiver) => reaches(view, sender, receiver))
  return reached.length === 0 ? nothing : reached.map((receiver) => values.edit(sender, receiver))
}
