/**
 * Edge attribution patching: what replacing a sender's output, for one receiver alone, would change, estimated for all
 * pairs at once: change of the sender's output · gradient at the receiver's input. Syed et al. 2023, arXiv:2310.10348;
 * with steps the gradient is a mean over a path between the prompts, Hanna et al. 2024, arXiv:2403.17806.
 * B prompts · P positions · D d_model
 */
import * as tf from '@tensorflow/tfjs'
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { promptAxis } from '../../lib/core/labels.js'
import { describeMetric, type AnyMetric } from '../../lib/core/metrics.js'
import type { Site } from '../../lib/core/sites.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { GradientRun, HookedModel } from '../../lib/model.js'
import { Result } from '../../lib/report/result/result.js'
import { checkSource } from '../../lib/tokens/paired-prompts.js'
import {
  tokenOptionsOf,
  type Prompts,
  tokenOptionNames,
  type TokenOptions,
  type Tokens,
} from '../../lib/tokens/tokens.js'
import { NodeLookUp, reaches, type Receiver, type Sender } from '../nodes.js'
import { afterSaes, senderChange, SenderRun, type SenderRuns } from '../sender-changes.js'
import { checkSteps, midpoints } from './steps.js'

/** Senders whose changes are in memory together. */
const AT_ONCE = 64

/** Which edges to attribute to, from which prompts, and what the change is measured by. */
export interface EdgeAttributionOptions extends TokenOptions, ProgressOptions {
  /** `logitDiff(…)`, `logProb(…)` … or a function from logits [B,P,V] to [B] or a scalar. */
  readonly metric: AnyMetric
  /** Prompts that senders' outputs come from, one for each prompt, of the same length. */
  readonly source: Prompts
  /** As of `pathPatching`, latents and errors of SAEs too. @default all but those of SAEs */
  readonly senders?: readonly (string | Site)[]
  /** As of `pathPatching`. @default all of them */
  readonly receivers?: readonly (string | Site)[]
  /**
   * How many gradients are averaged, between the embeddings of the prompts and those of the sources.
   * @default the prompts' own gradient
   */
  readonly steps?: number
}

const optionNames: OptionNames<EdgeAttributionOptions> = {
  metric: true,
  source: true,
  senders: true,
  receivers: true,
  steps: true,
  ...progressOptionNames,
  ...tokenOptionNames,
}

/** What an analysis with gradients says of itself. */
export type EdgeAttributionExtra = {
  /** 0 for the prompts' own gradient. */
  readonly steps: number
}

/**
 * Estimated change of the metric along every edge, axes [sender, receiver, prompt], in the unit of the metric; 0 where
 * there is none.
 *
 * @example
 * const edges = await edgeAttribution(model, corrupt, { metric, source: clean, steps: 5 })
 * edges.mean('prompt').top(10).print()
 * @throws ArgumentError for a node that the model does not have, before any run
 */
export async function edgeAttribution(
  view: HookedModel,
  prompts: Prompts,
  options: EdgeAttributionOptions,
): Promise<Result<EdgeAttributionExtra>> {
  const name = 'edgeAttribution'
  checkOptions(name, options, optionNames)
  checkSteps(name, options.steps)
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const source = view.toTokens(options.source, tokenOptionsOf(options))
  checkSource(name, tokens, source)
  const nodes = new NodeLookUp(name, view)
  const [senders, receivers] = [nodes.senders(options.senders), nodes.receivers(options.receivers)]
  view.bindMetric(options.metric, tokens) // refuses a metric that is none
  const kept = { senders, names: ['hook_embed'] }
  using clean = new SenderRun(view, tokens, kept)
  using other = new SenderRun(view, source, kept)
  const runs = { clean, source: other }
  const gradients = await meanGradients(view, { tokens, receivers, runs }, options)
  const values: number[] = []
  try {
    for (let s = 0; s < senders.length; s += AT_ONCE) {
      const some = { senders: senders.slice(s, s + AT_ONCE), receivers }
      const edges = tf.tidy(() => edgesOf(view, { runs, gradients }, some))
      values.push(...(await edges.data()))
      edges.dispose()
    }
  } finally {
    gradients.dispose()
  }
  const metric = describeMetric(options.metric)
  const axis = (what: string, list: readonly { name: string }[]) => ({
    name: what,
    labels: list.map((one) => one.name),
  })
  return new Result({
    kind: 'edge attribution',
    title: `estimated change of ${metric.name}`,
    unit: metric.unit,
    values: Float32Array.from(values),
    axes: [axis('sender', senders), axis('receiver', receivers), promptAxis(view, tokens)],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { steps: options.steps ?? 0 },
  })
}

/** Runs of prompts and sources, and gradients at the receivers' inputs [B,receivers,P·D]. */
interface EdgeParts {
  readonly runs: SenderRuns
  readonly gradients: tf.Tensor3D
}

/** Changes of senders times gradients: [senders,receivers,B]. */
function edgesOf(
  view: HookedModel,
  { runs, gradients }: EdgeParts,
  { senders, receivers }: { readonly senders: readonly Sender[]; readonly receivers: readonly Receiver[] },
): tf.Tensor {
  const [batch, , size] = gradients.shape
  const changes = senders.map((sender) => senderChange(view, runs, sender).reshape([batch, size]))
  const scores = tf.matMul(tf.stack(changes, 1), gradients, false, true) // [B,senders,receivers]
  const exists = senders.map((sender) => receivers.map((receiver) => Number(reaches(view, sender, receiver))))
  return scores.mul(tf.tensor2d(exists)).transpose([1, 2, 0])
}

/** Where gradients are taken. */
interface GradientPath {
  readonly tokens: Tokens
  readonly receivers: readonly Receiver[]
  readonly runs: SenderRuns
}

/** Gradients at the receivers' inputs, [B,receivers,P·D]. The caller owns them. */
async function meanGradients(
  view: HookedModel,
  { tokens, receivers, runs }: GradientPath,
  options: EdgeAttributionOptions,
): Promise<tf.Tensor3D> {
  const { metric, signal } = options
  const names = [...new Set(receivers.map((receiver) => inputPoint(view, receiver)))]
  const [from, to] = [runs.clean.get<tf.Tensor3D>('hook_embed'), runs.source.get<tf.Tensor3D>('hook_embed')]
  const shares = midpoints(options.steps)
  using report = jobProgress('edgeAttribution: gradients', options, shares.length)
  let sum = tf.zeros<tf.Rank.R3>([tokens.batch, receivers.length, from.size / tokens.batch])
  try {
    for (const [step, share] of shares.entries()) {
      signal?.throwIfAborted()
      const mixed = () => from.add(to.sub(from).mul(share))
      const stepped = share === 0 ? view : view.withHooks({ hook_embed: mixed })
      using run = stepped.runWithGradients(tokens, { metric, names })
      const before = sum
      sum = tf.tidy(() => before.add(gradientsAt(view, run, receivers)))
      before.dispose()
      report(step + 1)
      await tf.nextFrame()
    }
    return sum.div<tf.Tensor3D>(shares.length)
  } finally {
    sum.dispose()
  }
}

/** [B,receivers,P·D] */
function gradientsAt(view: HookedModel, run: GradientRun, receivers: readonly Receiver[]): tf.Tensor3D {
  const each = receivers.map((receiver) => {
    const gradient = run.gradients.get(inputPoint(view, receiver))
    const { head } = receiver
    const own = head === undefined ? gradient : gradient.slice([0, 0, head, 0], [-1, -1, 1, -1])
    return own.reshape<tf.Tensor2D>([gradient.shape[0] ?? 0, -1])
  })
  return tf.stack(each, 1) as tf.Tensor3D
}

function inputPoint(view: HookedModel, { layer, input }: Receiver): string {
  if (input === 'final') return afterSaes(view, `blocks.${layer - 1}.hook_resid_post`)
  return `blocks.${layer}.${input === 'mlp' ? 'hook_mlp_in' : `hook_${input}_input`}`
}
