/** The runs of a recorded model that several checks look at. */
import type * as tf from '@tensorflow/tfjs'
import { loadModel } from '../../models/load-model.js'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import { logitDiff, type MetricFunction } from '../../lib/core/metrics.js'
import type { GradientRun, HookedModel } from '../../lib/model.js'
import { Tokens } from '../../lib/tokens/tokens.js'
import type { HostTensor } from '../../lib/weights/formats/safetensors.js'
import type { RecordFolder, TensorEntry } from './record.js'
import { Shared } from './shared.js'

/** One intervention as a model record describes it. */
export interface Intervention {
  readonly name: string
  readonly hook: string
  readonly op: string
  readonly position?: number
  readonly head?: number
  readonly sender?: readonly [layer: number, head: number]
  readonly receiver_head?: number
}

/** What is read of a model record's JSON. */
export interface ModelExpected {
  readonly tensors: Readonly<Record<string, TensorEntry>>
  readonly scalars?: Readonly<Record<string, { readonly value: number; readonly atol: number }>>
  readonly metric: { readonly answer_token: number; readonly wrong_token: number }
  readonly interventions?: readonly Intervention[]
  readonly labels?: Readonly<Record<string, readonly string[]>>
}

export class ModelRuns {
  readonly record: RecordFolder
  readonly expected: ModelExpected
  readonly #folder: string
  readonly #shared = new Shared()

  /** @param folder holds the checkpoint; the record may lie elsewhere */
  constructor(folder: string, record: RecordFolder) {
    this.#folder = folder
    this.record = record
    this.expected = record.expected as unknown as ModelExpected
  }

  processed(): Promise<HookedModel> {
    return this.#shared.once('processed', () => loadModel(this.#folder))
  }
  raw(): Promise<HookedModel> {
    return this.#shared.once('raw', () => loadModel(this.#folder, { process: false }))
  }

  /** The processed model with a key and a value head for each query head. */
  ungrouped(): Promise<HookedModel> {
    return this.#shared.once('ungrouped', () => loadModel(this.#folder, { ungroupGroupedQueryAttention: true }))
  }

  async tokens(name: 'tokens' | 'probe_tokens' | 'corrupt_tokens'): Promise<Tokens> {
    return new Tokens(rowsOf(await this.record.read(name)))
  }
  async leftPadded(): Promise<Tokens> {
    const mask = rowsOf(await this.record.read('leftpad/attention_mask'))
    return new Tokens(rowsOf(await this.record.read('leftpad/tokens')), mask, 'left')
  }
  async ids(name: string): Promise<number[]> {
    return [...(await this.record.read(name)).values]
  }

  /** Every hook point but those on request, of the processed model. */
  cache(tokens: 'probe_tokens' | 'corrupt_tokens' = 'probe_tokens'): Promise<ActivationCache> {
    return this.#shared.once(`cache ${tokens}`, async () =>
      (await this.processed()).runWithCache(await this.tokens(tokens)),
    )
  }
  rawCache(): Promise<ActivationCache> {
    return this.#shared.once('raw cache', async () =>
      (await this.raw()).runWithCache(await this.tokens('probe_tokens')),
    )
  }

  /** The record's metric: the mean over prompts of logit[answer] − logit[wrong] at the last position. */
  async metric(): Promise<MetricFunction> {
    const { answer_token, wrong_token } = this.expected.metric
    const model = await this.processed()
    const each = model.bindMetric(logitDiff(answer_token, wrong_token), await this.tokens('probe_tokens'))
    return (logits) => each(logits).mean()
  }

  /** Gradients of the metric at all points whose name is recorded behind `prefix`. */
  gradients(prefix: 'grad/' | 'grad_split/'): Promise<GradientRun> {
    const recorded = Object.keys(this.expected.tensors).filter((name) => name.startsWith(prefix))
    const names = recorded.map((name) => name.slice(prefix.length))
    return this.#shared.once(prefix, async () =>
      (await this.processed()).runWithGradients(await this.tokens('probe_tokens'), {
        metric: await this.metric(),
        names,
      }),
    )
  }

  async dispose(): Promise<void> {
    await this.#shared.dispose()
    await this.record.close()
  }
}

/** The rows of a matrix of ids. */
export function rowsOf({ shape, values }: HostTensor): number[][] {
  const [rows = 0, columns = 0] = shape
  return Array.from({ length: rows }, (_, r) => [...values.subarray(r * columns, (r + 1) * columns)])
}

/** The number a scalar tensor holds; frees it. */
export function takeNumber(scalar: tf.Tensor): number {
  const value = scalar.dataSync()[0]!
  scalar.dispose()
  return value
}
