/**
 * GPT-2 (Radford et al. 2019).
 * Axes: B batch · P position · N positions, earlier ones included · D d_model · H heads · K d_head · M d_mlp · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import { attentionScores, attentionSoftmax, mixValues } from '../lib/ops/attention.js'
import { geluNew } from '../lib/ops/gelu.js'
import { forEachHead, joinHeads, splitHeads, type Heads } from '../lib/ops/heads.js'
import { linear, linearPerHead } from '../lib/ops/linear.js'
import { learnedPositions } from '../lib/ops/positions.js'
import type { Architecture, Block, Embedding, ModelConfig, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { causalFrame, sameFrame } from '../lib/transformer/frames.js'
import { layerNormBlock } from '../lib/transformer/fused/layer-norm-block.js'
import { joinPast } from '../lib/transformer/kv-cache.js'
import { layerNorm } from '../lib/transformer/norms.js'
import { transposed, type TensorSpec } from '../lib/weights/collect.js'
import { headBiases, headMatrices } from '../lib/weights/packed.js'

export interface Gpt2Config extends ModelConfig {
  /** Divide the scores by √K (`scale_attn_weights`). */
  readonly scaleScores: boolean
  /** Divide the scores of layer l by l + 1 as well (`scale_attn_by_inverse_layer_idx`). */
  readonly scaleByInverseLayer: boolean
}

function readConfig(json: Readonly<Record<string, unknown>>): Gpt2Config {
  const read = new ConfigReader(json, 'config.json')
  const { dModel, nHeads, dHead } = read.heads('n_embd', 'n_head')
  read.oneOf('activation_function', ['gelu_new', 'gelu_pytorch_tanh'], 'gelu_new') // two names of one function
  return {
    modelType: 'gpt2',
    nLayers: read.size('n_layer'),
    dModel,
    nHeads,
    dHead,
    dMlp: read.size('n_inner', 4 * dModel),
    nCtx: read.size('n_positions', 1024),
    dVocab: read.size('vocab_size'),
    normalization: 'LN',
    eps: read.positive('layer_norm_epsilon', 1e-5),
    scaleScores: read.flag('scale_attn_weights', true),
    scaleByInverseLayer: read.flag('scale_attn_by_inverse_layer_idx', false),
  }
}

export function embed({ weights: w, input, at }: Embedding): tf.Tensor3D {
  const { tokens, mask, past } = input
  const embed = at('hook_embed', tf.gather(w.get('embed.W_E'), tokens) as tf.Tensor3D) // [B,P,D]
  const places = { shape: tokens.shape, mask, past: past?.length }
  const posEmbed = at('hook_pos_embed', learnedPositions(w.get('pos_embed.W_pos'), places)) // [B,P,D]
  return embed.add(posEmbed)
}

export function block(own: Block<Gpt2Config>, residPre: tf.Tensor3D): tf.Tensor3D {
  const { at } = own
  const attnOut = at('hook_attn_out', () => attention(own, residPre)) // [B,P,D]
  const residMid = at('hook_resid_mid', residPre.add<tf.Tensor3D>(attnOut)) // [B,P,D]
  const mlpOut = at('hook_mlp_out', () => mlp(own, at('hook_mlp_in', residMid))) // [B,P,D]
  return residMid.add(mlpOut)
}

export function attention(own: Block<Gpt2Config>, x: tf.Tensor3D): tf.Tensor3D {
  const { config, layer, weights: w, frame } = own
  const at = own.at.under('attn')
  const fresh = queriesKeysValues(own, x)
  const q = at('hook_q', fresh.q) // [B,P,H,K]
  const newK = at('hook_k', fresh.k) // [B,P,H,K]
  const newV = at('hook_v', fresh.v) // [B,P,H,K]
  const { k, v } = joinPast(frame.past, layer, { k: newK, v: newV }) // [B,N,H,K]
  const scores = attentionScores({ q, k, bias: frame.bias }, scoreScale(config, layer))
  const pattern = attentionSoftmax(at('hook_attn_scores', scores), frame.padded) // [B,H,P,N]
  const z = at('hook_z', mixValues(at('hook_pattern', pattern), v)) // [B,P,H,K]
  if (!at.observed('hook_result')) return linear(joinHeads(z), w.matrix('attn.W_O'), w.get('attn.b_O')) // [B,P,D]
  const result = at('hook_result', linearPerHead(z, headMatrices(w, config, 'O'))) // [B,P,H,D]
  return result.sum<tf.Tensor3D>(2).add(w.get('attn.b_O')) // [B,P,D]
}

/** What q · k is multiplied by. */
export function scoreScale(c: Gpt2Config, layer: number): number {
  return (c.scaleScores ? 1 / Math.sqrt(c.dHead) : 1) / (c.scaleByInverseLayer ? layer + 1 : 1)
}

/** q, k and v [B,P,H,K] of one normed input; where somebody gives heads inputs of their own, of one for each head. */
export function queriesKeysValues({ config, weights: w, at }: Block, x: tf.Tensor3D): Heads {
  const ln1 = { eps: config.eps, at: at.under('ln1'), ...w.norm('ln1') }
  if (!at.observed('hook_attn_in', 'hook_q_input', 'hook_k_input', 'hook_v_input')) {
    const qkv = linear(layerNorm(x, ln1), w.matrix('attn.W_QKV'), w.get('attn.b_QKV')) // [B,P,3·H·K]
    return splitHeads(qkv, { queries: config.nHeads, keys: config.nHeads, size: config.dHead })
  }
  const attnIn = at('hook_attn_in', forEachHead(x, config.nHeads)) // [B,P,H,D]
  const qIn = at('hook_q_input', attnIn) // [B,P,H,D]; all three fire before the first norm
  const kIn = at('hook_k_input', attnIn) // [B,P,H,D]
  const vIn = at('hook_v_input', attnIn) // [B,P,H,D]
  const of = (input: tf.Tensor4D, letter: 'Q' | 'K' | 'V') =>
    linearPerHead(layerNorm(input, ln1), headMatrices(w, config, letter), headBiases(w, config, letter))
  return { q: of(qIn, 'Q'), k: of(kIn, 'K'), v: of(vIn, 'V') }
}

function mlp({ config, weights: w, at: atBlock }: Block<Gpt2Config>, x: tf.Tensor3D): tf.Tensor3D {
  const at = atBlock.under('mlp')
  const normed = layerNorm(x, { eps: config.eps, at: atBlock.under('ln2'), ...w.norm('ln2') })
  const pre = at('hook_pre', linear(normed, w.matrix('mlp.W_in'), w.get('mlp.b_in'))) // [B,P,M]
  const post = at('hook_post', geluNew(pre)) // [B,P,M]
  return linear(post, w.matrix('mlp.W_out'), w.get('mlp.b_out')) // [B,P,D]
}

// Hugging Face name → ours. Conv1D stores [in,out], as we do, with q, k and v next to each other.
const blockTensors = ({ dModel, dMlp }: Gpt2Config): TensorSpec[] => [
  ['ln_1.weight', 'ln1.w', [dModel]],
  ['ln_1.bias', 'ln1.b', [dModel]],
  ['attn.c_attn.weight', 'attn.W_QKV', [dModel, 3 * dModel]],
  ['attn.c_attn.bias', 'attn.b_QKV', [3 * dModel]],
  ['attn.c_proj.weight', 'attn.W_O', [dModel, dModel]],
  ['attn.c_proj.bias', 'attn.b_O', [dModel]],
  ['ln_2.weight', 'ln2.w', [dModel]],
  ['ln_2.bias', 'ln2.b', [dModel]],
  ['mlp.c_fc.weight', 'mlp.W_in', [dModel, dMlp], 'in,out'],
  ['mlp.c_fc.bias', 'mlp.b_in', [dMlp]],
  ['mlp.c_proj.weight', 'mlp.W_out', [dMlp, dModel]],
  ['mlp.c_proj.bias', 'mlp.b_out', [dModel]],
]

function* tensors(infos: TensorReader['infos'], c: Gpt2Config): Generator<TensorSpec> {
  const prefix = infos.has('transformer.wte.weight') ? 'transformer.' : '' // the hub's own gpt2 has none
  yield [`${prefix}wte.weight`, 'embed.W_E', [c.dVocab, c.dModel]]
  yield [`${prefix}wpe.weight`, 'pos_embed.W_pos', [c.nCtx, c.dModel]]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors(c)) {
      yield [`${prefix}h.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
    }
  }
  yield [`${prefix}ln_f.weight`, 'ln_final.w', [c.dModel]]
  yield [`${prefix}ln_f.bias`, 'ln_final.b', [c.dModel]]
  if (infos.has('lm_head.weight')) yield ['lm_head.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed]
}

export const gpt2: Architecture<Gpt2Config> = {
  modelType: 'gpt2',
  readConfig,
  traits: () => ({ positions: 'learned', mlp: 'plain', attentionBiases: true }),
  frames: (_, input) => sameFrame(causalFrame(input)),
  embed,
  block,
  fused: layerNormBlock({ scoreScale }),
  tensors,
  ignoredTensors: /(^|\.)attn\.(masked_)?bias$/,
}
