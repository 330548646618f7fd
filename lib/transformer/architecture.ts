/** What a page of a model provides. With it, lib/transformer runs any family and the rest of the library knows none. */
import type * as tf from '@tensorflow/tfjs'
import type { RotaryTables } from '../ops/rotary.js'
import type { NamedTensors } from '../weights/named-tensors.js'
import type { TensorReader, TensorSpec } from '../weights/collect.js'
import type { BlockWeights, Weights } from '../weights/weights.js'
import type { At } from './at.js'
import type { Columns } from './unembed.js'

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

/**
 * What blocks of a family have. The table of hook points, the layout of the weights and what processing changes are made
 * from it.
 */
export interface Traits {
  /** Learned positions are added to the embedding; rotary ones turn queries and keys. */
  readonly positions: 'learned' | 'rotary'
  /** `gated`: activation(x · W_gate) ⊙ (x · W_in). */
  readonly mlp: 'plain' | 'gated' | 'none'
  /** Attention has b_QKV and b_O. */
  readonly attentionBiases: boolean
  /** Attention and MLP read the same residual stream: there is no `hook_resid_mid`. */
  readonly parallel?: boolean
  /** What attention and MLP write goes through a norm of its own. */
  readonly postNorms?: boolean
  /** A norm inside the MLP, after its activation. */
  readonly mlpNorm?: boolean
  /** The unembedding is the embedding and is not stored a second time. */
  readonly tied?: boolean
}

/** Keys (rotated, where positions are rotary) and values of some positions, G of them where heads share: [B,N,G,K]. */
export interface KeysValues {
  readonly k: tf.Tensor4D
  readonly v: tf.Tensor4D
}

/** Keys and values of earlier positions. A pass puts each layer's before its own, and hands all of them back. */
export interface Past {
  /** Number of earlier positions. */
  readonly length: number
  /** A layer's of the earlier positions; undefined where there are none. They are the past's, or the pass's tidy's. */
  earlier(layer: number): KeysValues | undefined
  /** Is given a layer's of all positions, earlier first: tensors of the pass, to be cloned where they are kept. */
  keep(layer: number, all: KeysValues): void
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

/** What a block of one pass is told of its positions. */
export interface Frame {
  /** Added to the scores: [1|B,1,P,past+P], −Infinity where a query may not look. */
  readonly bias: tf.Tensor4D
  /** Whether some positions are padding. */
  readonly padded: boolean
  readonly past: Past | undefined
  /** Where positions are rotary. */
  readonly rotary?: RotaryTables
}

/** The same for families whose positions are rotary. */
export interface RotaryFrame extends Frame {
  readonly rotary: RotaryTables
}

/** One block in one forward pass: what a page computes it from. */
export interface Block<C extends ModelConfig = ModelConfig, F extends Frame = Frame> {
  readonly config: C
  readonly layer: number
  /** The block's weights: `attn.W_O` is the model's `blocks.3.attn.W_O`. */
  readonly weights: BlockWeights
  readonly frame: F
  /** Under the block's name: `hook_attn_out` is the model's `blocks.3.hook_attn_out`. */
  readonly at: At
}

/** The embedding in one forward pass. */
export interface Embedding<C extends ModelConfig = ModelConfig> {
  readonly config: C
  readonly weights: Weights
  readonly input: ForwardInput
  readonly at: At
}

/**
 * A block as one computation, for when nobody observes its inside: `fused: layerNormBlock(…)`. It gives what the page's
 * `block` gives, or undefined where it cannot (a gradient is taken, a norm is not folded).
 */
export type FusedBlock<C extends ModelConfig = ModelConfig> = (
  block: Block<C>,
  residPre: tf.Tensor3D,
) => tf.Tensor3D | undefined

/** A model family: its page. */
export interface Architecture<C extends ModelConfig = ModelConfig, F extends Frame = Frame> {
  readonly modelType: string
  /** @throws ConfigError naming the field that is missing or impossible. */
  readConfig(json: Readonly<Record<string, unknown>>): C
  traits(config: C): Traits
  /** What the blocks of one pass share, by layer. Runs inside the pass's tidy. */
  frames(config: C, input: ForwardInput): (layer: number) => F
  /** The residual stream before the first block, [B,P,D]. */
  embed(embedding: Embedding<C>): tf.Tensor3D
  /** The residual stream after the block, [B,P,D], from the one before it. */
  block(block: Block<C, F>, residPre: tf.Tensor3D): tf.Tensor3D
  /** The same as one computation. @default every block runs as the page says */
  fused?(block: Block<C, F>, residPre: tf.Tensor3D): tf.Tensor3D | undefined
  /** The tensors of a Hugging Face checkpoint, one at a time: a config that claims a billion layers fails at the first. */
  tensors(infos: TensorReader['infos'], config: C): Iterable<TensorSpec>
  /** Names in a checkpoint that nothing is computed from, such as stored masks. */
  readonly ignoredTensors: RegExp
  /** Weights that are made of the others, or of the checkpoint's facts. @default none */
  addWeights?(weights: NamedTensors, config: C, infos: TensorReader['infos']): void
}
