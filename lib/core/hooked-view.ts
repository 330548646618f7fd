/** A view of a model as everything below `HookedModel` sees it. */
import type * as tf from '@tensorflow/tfjs'
import type { Activations } from './activations.js'
import type { HookPoint } from './hooks.js'
import type { AnyMetric, MetricContext, MetricFunction } from './metrics.js'
import type { CacheOptions, RunOptions } from './run-options.js'
import type { AttachedSae } from './view.js'
import type { Provenance } from '../report/result/provenance.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import type { Prompts, TokenOptions, Tokens } from '../tokens/tokens.js'
import type { ModelConfig } from '../transformer/architecture.js'
import type { ProcessingFlags } from '../weights/process.js'

/** What `HookedModel` says there, it says of all of these. Take only what is needed: `Pick<HookedView, 'config' | 'run'>`. */
export interface HookedView {
  readonly name: string
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer | undefined
  readonly processing: ProcessingFlags
  readonly attached: readonly AttachedSae[]
  readonly hookPoints: readonly HookPoint[]
  readonly hookNames: readonly string[]
  copyWeight<T extends tf.Tensor = tf.Tensor>(name: string): T
  toTokens(prompts: Prompts, options?: TokenOptions): Tokens
  toString(ids: readonly number[]): string
  run(prompts: Prompts, options?: RunOptions): tf.Tensor3D
  runWithCache(prompts: Prompts, options?: CacheOptions): Activations
  bindMetric(metric: AnyMetric, tokens: Tokens): MetricFunction
  metricContext(tokens: Tokens): MetricContext
  provenance(options?: { prependBos?: boolean; seed?: number }): Promise<Provenance>
}
