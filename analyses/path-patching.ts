/**
 * Path patching: what changes when one sender's output reaches one receiver as on the source prompts, by the direct path
 * alone: everything between them is frozen, everything behind the receiver runs. Wang et al. 2022, arXiv:2211.00593;
 * Goldowsky-Dill et al. 2023, arXiv:2304.05969 (there MLPs between are run, here they are frozen too).
 */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/cache.js'
import type { HookFunction } from '../lib/hooks.js'
import type { AnyMetric } from '../lib/metrics.js'
import type { HookedModel, Input } from '../lib/model.js'
import { progressOf } from '../lib/report/progress.js'
import { Result } from '../lib/report/result.js'
import type { Edit, SweepOptions } from '../lib/sweep.js'
import { checkSource } from '../lib/sweep/sources.js'
import type { TokenOptions } from '../lib/tokens/tokens.js'
import { allReceivers, allSenders, nodesNamed, reaches, type Receiver, type Sender } from './nodes.js'
import { senderChange, senderPoints } from './sender-changes.js'

export interface PathPatchingOptions extends TokenOptions, Pick<SweepOptions, 'budget' | 'signal'> {
  readonly metric: AnyMetric
  /** Prompts that senders' outputs come from, one for each prompt, of the same length. */
  readonly source: Input
  /** `embed`, heads such as `L9H6`, MLPs such as `MLP3`. @default all of them */
  readonly senders?: readonly string[]
  /** Inputs of heads such as `L9H6.q`, of MLPs such as `MLP3`, and `final`. @default all of them */
  readonly receivers?: readonly string[]
  /** All receivers in one run for each sender, rather than one run for each. @default false */
  readonly together?: boolean
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Change of the metric for every pair, axes [sender, receiver, prompt], or [sender, prompt] with `together`; 0 where no
 * path leads from one to the other. `extra.baseline` is the metric without.
 * @throws ArgumentError for a node that the model has not, before any run
 */
export async function pathPatching(view: HookedModel, prompts: Input, options: PathPatchingOptions): Promise<Result> {
  const verb = 'pathPatching'
  const tokens = view.toTokens(prompts, options)
  const source = view.toTokens(options.source, options)
  checkSource(verb, tokens, source)
  const senders = nodesNamed(verb, 'senders', allSenders(view), options.senders)
  const receivers = nodesNamed(verb, 'receivers', allReceivers(view), options.receivers)
  const groups = options.together ? [receivers] : receivers.map((receiver) => [receiver])
  view.bindMetric(options.metric, tokens) // refuses a metric that is none
  const { budget, signal } = options
  const report = options.onProgress ?? progressOf('path patching', senders.length * groups.length)
  const total = senders.length * groups.length
  const names = [...senderPoints(view, senders), ...receiverPoints(view, receivers)]
  using clean = view.runWithCache(tokens, { names, logits: false })
  using other = view.runWithCache(source, { names: senderPoints(view, senders), logits: false })
  const parts: Result[] = []
  for (const [i, sender] of senders.entries()) {
    const change = senderChange(view, clean, other, sender)
    const inputs = new ReceiverInputs(view, clean, change)
    try {
      const edits = groups.map((group) => editsOf(view, inputs, sender, group))
      const progress = (done: number) => report(i * groups.length + done, total)
      const set = { ...(budget !== undefined && { budget }), ...(signal && { signal }) }
      parts.push(await view.sweep(tokens, edits, options.metric, { ...set, progress, kind: 'path patching' }))
    } finally {
      inputs[Symbol.dispose]()
      change.dispose()
    }
  }
  const [first] = parts as [Result]
  const receiverAxis = { name: 'receiver', labels: receivers.map(({ name }) => name) }
  return new Result({
    kind: 'path patching',
    title: first.title,
    unit: first.unit,
    values: Float32Array.from(parts.flatMap((part) => [...part.values])),
    axes: [{ name: 'sender', labels: senders.map(({ name }) => name) }, ...(options.together ? [] : [receiverAxis]), first.axes[1]!], // prettier-ignore
    provenance: { ...first.provenance, prependBos: options.prependBos ?? true },
    extra: first.extra,
  })
}

function receiverPoints(view: HookedModel, receivers: readonly Receiver[]): string[] {
  const names = receivers.flatMap(({ layer, input }) => {
    if (input === 'final') return []
    return input === 'mlp' ? [mlpInput(view, layer)] : [`blocks.${layer}.hook_resid_pre`]
  })
  return [...new Set(names)]
}

/** The point whose value an MLP reads. */
function mlpInput(view: HookedModel, layer: number): string {
  const between = `blocks.${layer}.hook_resid_mid`
  return view.hookNames.includes(between) ? between : `blocks.${layer}.hook_resid_pre`
}

/** The edits of one run; none that changes anything where no path leads from the sender to a receiver. */
function editsOf(view: HookedModel, inputs: ReceiverInputs, sender: Sender, receivers: readonly Receiver[]): Edit[] {
  const reached = receivers.filter((receiver) => reaches(view, sender, receiver))
  const edits = reached.map((receiver) => inputs.edit(receiver))
  return edits.length > 0 ? edits : [{ hook: 'hook_embed', add: 0 }]
}

/** What receivers read when the residual stream has a sender's change in it. Owns its tensors. */
class ReceiverInputs implements Disposable {
  readonly #view: HookedModel
  readonly #clean: ActivationCache
  readonly #change: tf.Tensor3D
  readonly #tensors = new Map<string, tf.Tensor>()

  constructor(view: HookedModel, clean: ActivationCache, change: tf.Tensor3D) {
    this.#view = view
    this.#clean = clean
    this.#change = change
  }

  edit({ layer, input, head }: Receiver): Edit {
    if (input === 'final') {
      return { hook: `blocks.${layer - 1}.hook_resid_post`, add: this.#change }
    }
    if (input === 'mlp') {
      const hook = `blocks.${layer}.hook_mlp_in`
      return { hook, to: this.#kept(hook, () => this.#clean.get(mlpInput(this.#view, layer)).add(this.#change)) }
    }
    const hook = `blocks.${layer}.attn.hook_${input}`
    if (!this.#tensors.has(hook)) this.#readHeads(layer)
    return { hook, unit: head!, to: this.#tensors.get(hook)! }
  }

  /** Queries, keys and values of a layer whose input has the change in it. */
  #readHeads(layer: number): void {
    const keep: HookFunction = (x: tf.Tensor, { name }) => void this.#tensors.set(name, tf.keep(x.clone()))
    const hooks = [...'qkv'].map((letter) => [`blocks.${layer}.attn.hook_${letter}`, keep] as const)
    const resid = tf.add<tf.Tensor3D>(this.#clean.get(`blocks.${layer}.hook_resid_pre`), this.#change)
    try {
      this.#view
        .stopAt(layer + 1)
        .withHooks(hooks)
        .run(this.#clean.tokens, { from: { layer, resid } })
        .dispose()
    } finally {
      resid.dispose()
    }
  }

  #kept(name: string, make: () => tf.Tensor): tf.Tensor {
    const known = this.#tensors.get(name) ?? tf.keep(make())
    this.#tensors.set(name, known)
    return known
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#tensors.values()) tensor.dispose()
  }
}
