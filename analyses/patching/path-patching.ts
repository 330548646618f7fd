/**
 * Path patching: what changes when one sender's output reaches one receiver as on the source prompts, by the direct path
 * alone: everything between them is frozen, everything behind the receiver runs. Wang et al. 2022, arXiv:2211.00593;
 * Goldowsky-Dill et al. 2023, arXiv:2304.05969 (there MLPs between are run, here they are frozen too).
 */
import type { AnyMetric } from '../../lib/core/metrics.js'
import type { HookedModel } from '../../lib/model.js'
import type { Prompts } from '../../lib/tokens/tokens.js'
import { EffectResult } from '../../lib/report/result/effect-result.js'
import { nothing, sweepJobOptions, type Intervention, type SweepJobOptions } from '../../lib/sweep/index.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import { allReceivers, nodesNamed, reaches, sendersNamed, type Receiver, type Sender } from '../nodes.js'
import { PathValues } from './path-values.js'

export interface PathPatchingOptions extends SweepJobOptions {
  readonly metric: AnyMetric
  /** Prompts that senders' outputs come from, one for each prompt, of the same length. */
  readonly source: Prompts
  /**
   * `embed`, heads such as `L9H6`, MLPs such as `MLP3`; of the view's SAE `latent 183` and `error`, with its hook point
   * where there are several, `latent 183 at blocks.2.hook_resid_pre`. @default all but those of SAEs
   */
  readonly senders?: readonly string[]
  /** Inputs of heads such as `L9H6.q`, of MLPs such as `MLP3`, and `final`. @default all of them */
  readonly receivers?: readonly string[]
  /** All receivers in one run for each sender, rather than one run for each. @default false */
  readonly together?: boolean
}

/**
 * Change of the metric for every pair, axes [sender, receiver, prompt], or [sender, prompt] with `together`; 0 where no
 * path leads from one to the other. `baseline` is the metric without. One sweep: `budget`, `signal` and
 * `checkpoint` act on all of it. SAEs between sender and receiver are frozen like all else.
 * @throws ArgumentError for a node that the model has not, MismatchError for latents that write by no fixed direction,
 *   before any run
 */
export async function pathPatching(
  view: HookedModel,
  prompts: Prompts,
  options: PathPatchingOptions,
): Promise<EffectResult> {
  const verb = 'pathPatching'
  const tokens = view.toTokens(prompts, options)
  const source = view.toTokens(options.source, options)
  checkSource(verb, tokens, source)
  const senders = sendersNamed(verb, view, options.senders)
  const receivers = nodesNamed(verb, 'receivers', allReceivers(view), options.receivers)
  const groups = options.together ? [receivers] : receivers.map((receiver) => [receiver])
  using values = new PathValues(view, { tokens, source }, senders, receivers)
  const paths = senders.flatMap((sender) => groups.map((group) => interventionOf(view, values, sender, group)))
  const [kind, given] = ['path patching', sweepJobOptions(options)]
  const result = await view.sweep(tokens, { ...given, interventions: paths, metric: options.metric, source, kind })
  const axis = (name: string, nodes: readonly { name: string }[]) => ({ name, labels: nodes.map((node) => node.name) })
  return new EffectResult({
    kind,
    title: result.title,
    unit: result.unit,
    values: result.values,
    axes: [axis('sender', senders), ...(options.together ? [] : [axis('receiver', receivers)]), result.axes[1]!],
    provenance: result.provenance,
    extra: result.extra,
  })
}

/** The edits of one run; nothing where no path leads from the sender to a receiver. */
function interventionOf(
  view: HookedModel,
  values: PathValues,
  sender: Sender,
  receivers: readonly Receiver[],
): Intervention {
  const reached = receivers.filter((receiver) => reaches(view, sender, receiver))
  return reached.length === 0 ? nothing : reached.map((receiver) => values.edit(sender, receiver))
}
