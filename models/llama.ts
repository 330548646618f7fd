/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971; Llama 3 herd of models, arXiv:2407.21783), of which SmolLM and TinyLlama
 * are: RMSNorm, rotary positions, heads of keys and values that several query heads share (Ainslie et al. 2023,
 * arXiv:2305.13245), a gated MLP (Shazeer 2020, arXiv:2002.05202). Qwen2 and Gemma take this page.
 * Axes: B batch · P position · N positions, earlier ones included · D d_model · H heads · G heads of keys and values
 * · K d_head · M d_mlp · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import { activationNames, activations } from '../lib/ops/activations.js'
import { attentionScores, attentionSoftmax, mixValues } from '../lib/ops/attention.js'
import { forEachHead, joinHeads, repeatHeads, splitHeads, type Heads } from '../lib/ops/heads.js'
import { linear, linearPerHead } from '../lib/ops/linear.js'
import { plus } from '../lib/ops/products.js'
import { rotate } from '../lib/ops/rotary.js'
import type { Architecture, Block, Embedding, RotaryFrame, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { rotaryFrame, sameFrame } from '../lib/transformer/frames.js'
import { joinPast } from '../lib/transformer/kv-cache.js'
import { rmsNorm } from '../lib/transformer/norms.js'
import { transposed, type TensorSpec } from '../lib/weights/collect.js'
import { headBiases, headMatrices } from '../lib/weights/packed.js'
import { readLlamaConfig, refuseFlags, type LlamaConfig } from './llama-config.js'

export type LlamaBlock = Block<LlamaConfig, RotaryFrame>

function readConfig(json: Readonly<Record<string, unknown>>): LlamaConfig {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['attention_bias', 'mlp_bias'])
  const activation = read.oneOf('hidden_act', activationNames, 'silu')
  return { modelType: 'llama', ...readLlamaConfig(read, { activation, tied: false }) }
}

/** Rows of the embedding, times its factor where there is one. */
export function embed({ weights: w, input, at }: Embedding): tf.Tensor3D {
  const rows = tf.gather(w.get('embed.W_E'), input.tokens) as tf.Tensor3D
  const scale = w.maybe('embed.scale')
  return at('hook_embed', scale ? rows.mul(scale) : rows) // [B,P,D]
}

export function block(own: LlamaBlock, residPre: tf.Tensor3D): tf.Tensor3D {
  const { at } = own
  const attnOut = at('hook_attn_out', () => attention(own, residPre)) // [B,P,D]
  const residMid = at('hook_resid_mid', residPre.add<tf.Tensor3D>(attnOut)) // [B,P,D]
  const mlpOut = at('hook_mlp_out', () => mlp(own, at('hook_mlp_in', residMid))) // [B,P,D]
  return residMid.add(mlpOut)
}

function attention(own: LlamaBlock, x: tf.Tensor3D): tf.Tensor3D {
  const { config, layer, weights: w, frame } = own
  const at = own.at.under('attn')
  const fresh = queriesKeysValues(own, x)
  const plainQ = at('hook_q', fresh.q) // [B,P,H,K]
  const plainK = at('hook_k', fresh.k) // [B,P,G,K]
  const newV = at('hook_v', fresh.v) // [B,P,G,K]
  const q = at('hook_rot_q', rotate(plainQ, frame.rotary)) // [B,P,H,K]
  const newK = at('hook_rot_k', rotate(plainK, frame.rotary)) // [B,P,G,K]
  const { k, v } = joinPast(frame.past, layer, { k: newK, v: newV }) // [B,N,G,K]
  const times = config.nHeads / config.nKeyValueHeads
  const heads = { q, k: repeatHeads(k, times), bias: frame.bias }
  const scores = at('hook_attn_scores', attentionScores(heads, 1 / Math.sqrt(config.dHead))) // [B,H,P,N]
  const pattern = at('hook_pattern', attentionSoftmax(scores, frame.padded)) // [B,H,P,N]
  const z = at('hook_z', mixValues(pattern, repeatHeads(v, times))) // [B,P,H,K]
  if (!at.observed('hook_result')) return linear(joinHeads(z), w.matrix('attn.W_O'), w.maybe('attn.b_O')) // [B,P,D]
  const result = at('hook_result', linearPerHead(z, headMatrices(w, config, 'O'))) // [B,P,H,D]
  return plus(result.sum<tf.Tensor3D>(2), w.maybe('attn.b_O')) // [B,P,D]
}

/** q [B,P,H,K], k and v [B,P,G,K] of one normed input; where somebody gives heads inputs of their own, of one for each. */
export function queriesKeysValues({ config, weights: w, at }: LlamaBlock, x: tf.Tensor3D): Heads {
  const { nHeads, nKeyValueHeads, dHead } = config
  const ln1 = { eps: config.eps, at: at.under('ln1'), ...w.norm('ln1') }
  if (!at.observed('hook_attn_in', 'hook_q_input', 'hook_k_input', 'hook_v_input')) {
    const qkv = linear(rmsNorm(x, ln1), w.matrix('attn.W_QKV'), w.maybe('attn.b_QKV')) // [B,P,(H+2·G)·K]
    return splitHeads(qkv, { queries: nHeads, keys: nKeyValueHeads, size: dHead })
  }
  // an input of both queries and keys has as many heads as both: there is none when keys are shared
  const attnIn = nHeads === nKeyValueHeads ? at('hook_attn_in', forEachHead(x, nHeads)) : undefined // [B,P,H,D]
  const qIn = at('hook_q_input', attnIn ?? forEachHead(x, nHeads)) // [B,P,H,D]; all three fire before the first norm
  const kIn = at('hook_k_input', attnIn ?? forEachHead(x, nKeyValueHeads)) // [B,P,G,D]
  const vIn = at('hook_v_input', attnIn ?? forEachHead(x, nKeyValueHeads)) // [B,P,G,D]
  const of = (input: tf.Tensor4D, letter: 'Q' | 'K' | 'V') =>
    linearPerHead(rmsNorm(input, ln1), headMatrices(w, config, letter), headBiases(w, config, letter))
  return { q: of(qIn, 'Q'), k: of(kIn, 'K'), v: of(vIn, 'V') }
}

/** (activation(x · W_gate) ⊙ (x · W_in)) · W_out. As in TransformerLens `hook_pre` is the gate before its activation. */
export function mlp({ config, weights: w, at: atBlock }: LlamaBlock, x: tf.Tensor3D): tf.Tensor3D {
  const at = atBlock.under('mlp')
  const normed = rmsNorm(x, { eps: config.eps, at: atBlock.under('ln2'), ...w.norm('ln2') })
  const pre = at('hook_pre', linear(normed, w.matrix('mlp.W_gate'))) // [B,P,M]
  const preLinear = at('hook_pre_linear', linear(normed, w.matrix('mlp.W_in'))) // [B,P,M]
  const post = at('hook_post', activations[config.activation](pre).mul<tf.Tensor3D>(preLinear)) // [B,P,M]
  return linear(post, w.matrix('mlp.W_out')) // [B,P,D]
}

/** Name of the embedding in a Hugging Face checkpoint. */
export const EMBEDDING = 'model.embed_tokens.weight'

/** Matrices of a block by their names in a Hugging Face checkpoint: torch's Linear, [out,in]. */
export function blockMatrices(c: LlamaConfig): TensorSpec[] {
  const [queries, keys] = [c.nHeads * c.dHead, c.nKeyValueHeads * c.dHead]
  return [
    ['self_attn.q_proj.weight', 'attn.W_Q', [queries, c.dModel], transposed],
    ['self_attn.k_proj.weight', 'attn.W_K', [keys, c.dModel], transposed],
    ['self_attn.v_proj.weight', 'attn.W_V', [keys, c.dModel], transposed],
    ['self_attn.o_proj.weight', 'attn.W_O', [c.dModel, queries], transposed],
    ['mlp.gate_proj.weight', 'mlp.W_gate', [c.dMlp, c.dModel], 'out,in'],
    ['mlp.up_proj.weight', 'mlp.W_in', [c.dMlp, c.dModel], 'out,in'],
    ['mlp.down_proj.weight', 'mlp.W_out', [c.dModel, c.dMlp], transposed],
  ]
}

const blockTensors = (c: LlamaConfig): TensorSpec[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel]],
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel]],
  ...blockMatrices(c),
]

/** Tensors of a checkpoint whose blocks hold these. `norm`: what is made of the last norm's weight. */
export function* tensorsOf(c: LlamaConfig, blockTensors: readonly TensorSpec[], norm?: TensorSpec[3]) {
  // the largest first: what making them takes next to themselves is free again when the rest comes
  if (!c.tied) yield ['lm_head.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed] satisfies TensorSpec
  yield [EMBEDDING, 'embed.W_E', [c.dVocab, c.dModel]] satisfies TensorSpec
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors) {
      yield [`model.layers.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest] satisfies TensorSpec
    }
  }
  yield ['model.norm.weight', 'ln_final.w', [c.dModel], norm] satisfies TensorSpec
}

export const llama: Architecture<LlamaConfig, RotaryFrame> = {
  modelType: 'llama',
  readConfig,
  traits: ({ tied }) => ({ positions: 'rotary', mlp: 'gated', attentionBiases: false, tied }),
  frames: (c, input) => sameFrame(rotaryFrame(input, { ...c.rotary, dimensions: c.dHead })),
  embed,
  block,
  tensors: (_: TensorReader['infos'], c) => tensorsOf(c, blockTensors(c)),
  ignoredTensors: /rotary_emb\.inv_freq$|^lm_head\.weight$/,
}
