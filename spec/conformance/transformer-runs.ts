/** The runs behind the `transformer/` part of an SAE record: a model with SAEs at work. */
import type * as tf from '@tensorflow/tfjs'
import type { Sae } from '../../saes/index.js'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import { logitDiff } from '../../lib/core/metrics.js'
import type { GradientRun, HookedModel } from '../../lib/model.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import { notYet } from './check.js'
import { logitDifference, underEach, type AnswerIds, type HookSet } from './each.js'
import { rowsOf } from './model-runs.js'
import type { SaeRuns } from './sae-runs.js'

/** What is read of the record's `transformer`. */
export interface TransformerExpected {
  readonly prompts: readonly string[]
  readonly answers: readonly (readonly [right: string, wrong: string])[]
  /** Where single latents are ablated. */
  readonly position: number
  /** Ids of the SAEs that are attached together, by the name of the group. */
  readonly saes: Readonly<Record<string, readonly string[]>>
  readonly stopped?: {
    readonly settings: {
      readonly stop_at_layer: number
      readonly names_filter: readonly string[]
      readonly cache_names: readonly string[]
    }
  }
  readonly remove_batch_dim_shapes?: Readonly<Record<string, readonly number[]>>
  readonly ablation?: { readonly live_features: readonly number[]; readonly logits_feature: number }
  readonly error_node?: { readonly live_anywhere: readonly number[] }
  readonly attribution?: {
    readonly value: number
    readonly forward_names: readonly string[]
    readonly correlation_with_ablation: number
  }
  readonly path_patching?: {
    readonly heads: readonly (readonly [layer: number, head: number])[]
    readonly cache_names_with_split_input: readonly string[]
  }
}

/** `plain`, or a group of SAEs, with or without `_error_term`. */
export type Label = string

const suffix = '_error_term'

export class TransformerRuns {
  readonly expected: TransformerExpected
  readonly #runs: SaeRuns

  constructor(runs: SaeRuns) {
    this.#runs = runs
    this.expected = runs.record.expected['transformer'] as TransformerExpected
  }

  model(): Promise<HookedModel> {
    return this.#runs.model()
  }
  tokens(): Promise<Tokens> {
    return this.#runs.tokens('transformer/tokens')
  }
  async answers(): Promise<AnswerIds> {
    const pairs = rowsOf(await this.#runs.record.read('transformer/answer_tokens'))
    return { answer: pairs.map(([right]) => right!), wrong: pairs.map(([, wrong]) => wrong!) }
  }

  /** The SAEs a label names. */
  async saes(label: Label): Promise<Sae[]> {
    if (label === 'plain') return []
    const ids = this.expected.saes[label.replace(suffix, '')] ?? notYet(`runs with '${label}'`)
    const saes: Sae[] = []
    for (const id of ids) saes.push(await this.#runs.sae(id))
    return saes
  }
  /** The single SAE that latents are ablated in. */
  async sae(): Promise<Sae> {
    return (await this.saes('one'))[0]!
  }
  async view(label: Label): Promise<HookedModel> {
    return (await this.model()).withSaes(await this.saes(label), { errorTerm: label.endsWith(suffix) })
  }
  /** All activations of a view but those on request. */
  cache(label: Label): Promise<ActivationCache> {
    return this.#runs.shared.once(`transformer ${label}`, async () =>
      (await this.view(label)).runWithCache(await this.tokens()),
    )
  }

  /** Right minus wrong answer at the last position [B]; the caller owns it. */
  async logitDifference(label: Label): Promise<tf.Tensor1D> {
    return logitDifference(await this.view(label), await this.tokens(), await this.answers())
  }
  /** The same under each set of hooks [sets,B]. */
  async underEach(label: Label, sets: readonly HookSet[]): Promise<tf.Tensor2D> {
    return underEach(await this.view(label), await this.tokens(), await this.answers(), sets)
  }

  /** Gradients of the summed logit difference at all points but those on request. */
  gradients(label: Label): Promise<GradientRun> {
    return this.#runs.shared.once(`transformer gradients ${label}`, async () => {
      const { answer, wrong } = await this.answers()
      return (await this.view(label)).runWithGradients(await this.tokens(), { metric: logitDiff(answer, wrong) })
    })
  }
}
