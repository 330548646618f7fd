/**
 * Edge attribution patching: what replacing a sender's output, for one receiver alone, would change, estimated for all
 * pairs at once: change of the sender's output · gradient at the receiver's input. Syed et al. 2023, arXiv:2310.10348;
 * with steps the gradient is a mean over a path between the prompts, Hanna et al. 2024, arXiv:2403.17806.
 */
import * as tf from '@tensorflow/tfjs'
import { describeMetric, type AnyMetric } from '../../lib/core/metrics.js'
import type { GradientRun, HookedModel } from '../../lib/model.js'
import type { Prompts, TokenOptions, Tokens } from '../../lib/tokens/tokens.js'
import { Result } from '../../lib/report/result/result.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import { promptAxis } from '../../lib/core/labels.js'
import { allReceivers, nodesNamed, reaches, sendersNamed, type Receiver, type Sender } from '../nodes.js'
import { afterSaes, senderChange, SenderRun } from '../sender-changes.js'
import { checkSteps, midpoints } from './steps.js'

/** Senders whose changes are there together. */
const AT_ONCE = 64

export interface EdgeAttributionOptions extends TokenOptions {
  readonly metric: AnyMetric
  /** Prompts that senders' outputs come from, one for each prompt, of the same length. */
  readonly source: Prompts
  /** As in `pathPatching`, latents and errors of SAEs too. @default all but those of SAEs */
  readonly senders?: readonly string[]
  /** @default all of them */
  readonly receivers?: readonly string[]
  /** Gradients between the embeddings of prompts and sources that are averaged. @default the prompts' own gradient */
  readonly steps?: number
}

/**
 * Estimated change of the metric along every edge, axes [sender, receiver, prompt]; 0 where there is none.
 * `edgeAttribution(model, corrupted, { metric, source: clean, steps: 5 })`
 * @throws ArgumentError for a node that the model has not, before any run
 */
export async function edgeAttribution(
  view: HookedModel,
  prompts: Prompts,
  options: EdgeAttributionOptions,
): Promise<Result> {
  const verb = 'edgeAttribution'
  checkSteps(verb, options.steps)
  const tokens = view.toTokens(prompts, options)
  const source = view.toTokens(options.source, options)
  checkSource(verb, tokens, source)
  const senders = sendersNamed(verb, view, options.senders)
  const receivers = nodesNamed(verb, 'receivers', allReceivers(view), options.receivers)
  view.bindMetric(options.metric, tokens) // refuses a metric that is none
  using clean = new SenderRun(view, tokens, senders, ['hook_embed'])
  using other = new SenderRun(view, source, senders, ['hook_embed'])
  const embeddings = [clean.cache.get<tf.Tensor3D>('hook_embed'), other.cache.get<tf.Tensor3D>('hook_embed')] as const
  const gradients = meanGradients(view, tokens, options, receivers, embeddings)
  const values: number[] = []
  try {
    for (let s = 0; s < senders.length; s += AT_ONCE) {
      const edges = tf.tidy(() => edgesOf(view, [clean, other], gradients, senders.slice(s, s + AT_ONCE), receivers))
      values.push(...(await edges.data()))
      edges.dispose()
    }
  } finally {
    gradients.dispose()
  }
  const { name, unit } = describeMetric(options.metric)
  const axis = (what: string, nodes: readonly { name: string }[]) => ({ name: what, labels: nodes.map((n) => n.name) })
  return new Result({
    kind: 'edge attribution',
    title: `estimated change of ${name}`,
    unit,
    values: Float32Array.from(values),
    axes: [axis('sender', senders), axis('receiver', receivers), promptAxis(view, tokens)],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { steps: options.steps ?? 0 },
  })
}

/** Changes of senders times gradients [B,receivers,P·D]: [senders,receivers,B]. */
function edgesOf(
  view: HookedModel,
  [clean, other]: readonly [SenderRun, SenderRun],
  gradients: tf.Tensor3D,
  senders: readonly Sender[],
  receivers: readonly Receiver[],
): tf.Tensor {
  const [batch, , size] = gradients.shape
  const changes = senders.map((sender) => senderChange(view, clean, other, sender).reshape([batch, size]))
  const scores = tf.matMul(tf.stack(changes, 1), gradients, false, true) // [B,senders,receivers]
  const exists = senders.map((sender) => receivers.map((receiver) => Number(reaches(view, sender, receiver))))
  return scores.mul(tf.tensor2d(exists)).transpose([1, 2, 0])
}

/** Gradients at the receivers' inputs, [B,receivers,P·D]. */
function meanGradients(
  view: HookedModel,
  tokens: Tokens,
  { metric, steps }: EdgeAttributionOptions,
  receivers: readonly Receiver[],
  [from, to]: readonly [tf.Tensor3D, tf.Tensor3D],
): tf.Tensor3D {
  const names = [...new Set(receivers.map((receiver) => inputPoint(view, receiver)))]
  let sum: tf.Tensor3D | undefined
  for (const share of midpoints(steps)) {
    const mixed = () => from.add(to.sub(from).mul(share))
    const stepped = share === 0 ? view : view.withHooks({ hook_embed: mixed })
    using run = stepped.runWithGradients(tokens, { metric, names })
    const before = sum
    sum = tf.tidy(() => {
      const stacked = tf.stack(receivers.map((r) => gradientAt(view, run, r).reshape([tokens.batch, -1])), 1) // prettier-ignore
      return (before ? before.add(stacked) : stacked) as tf.Tensor3D
    })
    before?.dispose()
  }
  const mean = sum!.div<tf.Tensor3D>(midpoints(steps).length)
  sum!.dispose()
  return mean
}

function inputPoint(view: HookedModel, { layer, input }: Receiver): string {
  if (input === 'final') return afterSaes(view, `blocks.${layer - 1}.hook_resid_post`)
  return `blocks.${layer}.${input === 'mlp' ? 'hook_mlp_in' : `hook_${input}_input`}`
}

/** [B,P,D] */
function gradientAt(view: HookedModel, run: GradientRun, receiver: Receiver): tf.Tensor {
  const gradient = run.gradients.get(inputPoint(view, receiver))
  return receiver.head === undefined ? gradient : gradient.slice([0, 0, receiver.head, 0], [-1, -1, 1, -1])
}
