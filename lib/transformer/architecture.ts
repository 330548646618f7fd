/** What a model file provides, so that the rest of the library needs to know no architecture. */
import type * as tf from '@tensorflow/tfjs'
import type { At, HookPoint } from '../core/hooks.js'
import type { Columns } from './unembed.js'
import type { TensorReader } from '../weights/collect.js'
import type { Anatomy, NamedTensors, ProcessingFlags } from '../weights/process.js'
import type { Weights } from '../weights/weights.js'

export type { TensorReader }

/** Sizes every architecture has. An architecture's own config extends this. */
export interface ModelConfig {
  readonly modelType: string
  readonly nLayers: number
  readonly dModel: number
  readonly nHeads: number
  readonly dHead: number
  /** Heads of keys and values, each shared by equally many query heads. @default nHeads */
  readonly nKeyValueHeads?: number
  readonly dMlp: number
  /** Longest prompt, in tokens. */
  readonly nCtx: number
  readonly dVocab: number
  /** LayerNorm centres its input, RMSNorm does not. */
  readonly normalization: 'LN' | 'RMS'
  /** Epsilon of the norms. */
  readonly eps: number
  /** The logits are cap · tanh(x / cap) of what the unembedding gives. @default they are what it gives */
  readonly finalSoftCap?: number
}

/** Keys (rotated, where positions are rotary) and values of some positions, G of them where heads share: [B,N,G,K]. */
export interface KeysValues {
  readonly k: tf.Tensor4D
  readonly v: tf.Tensor4D
}

/** Keys and values of earlier positions. A forward pass puts each layer's in front of its own, and hands all of them back. */
export interface Past {
  /** Number of earlier positions. */
  readonly length: number
  /** A layer's of the earlier positions; undefined where there are none. They are the past's, or the pass's tidy's. */
  earlier(layer: number): KeysValues | undefined
  /** Is given a layer's of all positions, earlier first: tensors of the pass, to be cloned where they are kept. */
  keep(layer: number, all: KeysValues): void
  /** Whether `keep` ends the pass: what follows of the block is not to be computed before. @default false */
  readonly endsPass?: boolean
}

/** One forward pass's input. */
export interface ForwardInput {
  /** Token ids, int32 [B,P]: with a past, only those that follow it. */
  readonly tokens: tf.Tensor2D
  /** [B][past + P], 1 at real tokens, 0 at padding; undefined when nothing is padded. */
  readonly mask?: readonly (readonly number[])[]
  readonly past?: Past
  /** Start at this block, with this residual stream [B,P,D], instead of at the embedding. */
  readonly from?: { readonly layer: number; readonly resid: tf.Tensor3D }
  /** Run only this many blocks and return the residual stream [B,P,D]. */
  readonly stopAt?: number
  /** Give the logits of these tokens only, [B,P,C]. */
  readonly columns?: Columns | undefined
}

/** A model family. */
export interface Architecture<C extends ModelConfig = ModelConfig> {
  readonly modelType: string
  /** @throws ConfigError naming the field that is missing or impossible. */
  readConfig(json: Record<string, unknown>): C
  /** Every hook point in firing order, those on request included. */
  hookPoints(config: C): HookPoint[]
  /**
   * Logits [B,P,V], or the residual stream [B,P,D] when stopped. Runs inside the caller's tidy. What attention and MLP
   * write (`hook_attn_out`, `hook_mlp_out`) is a function to `at`, so that a run may be given it.
   */
  forward(weights: Weights, config: C, input: ForwardInput, at: At): tf.Tensor3D
  /** The checkpoint's tensors under our names, each name its own tensor, every shape checked. */
  fromHuggingFace(
    tensors: TensorReader,
    config: C,
    progress?: (done: number, total: number) => void,
  ): Promise<NamedTensors>
  anatomy(config: C): Anatomy
  /** Whether a processing flag can change the activation at a hook point. */
  dependsOn(flag: keyof ProcessingFlags, hookName: string, config: C): boolean
  /** A weight by its TransformerLens name and shape, derived from what is stored. The caller owns it. */
  weight(weights: Weights, config: C, name: string): tf.Tensor
}
