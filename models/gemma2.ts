/**
 * Gemma 2 (Gemma team 2024, arXiv:2408.00118): what Gemma has, and norms after attention and MLP too, attention over a
 * window in every other layer, soft-caps on scores and logits, and a query scale of its own. The first layer is a local
 * one, as in Hugging Face; TransformerLens 2 starts with a global one.
 * Axes: B batch · P position · N positions, earlier ones included · D d_model · H heads · G heads of keys and values
 * · K d_head · M d_mlp · V vocabulary
 */
import type * as tf from '@tensorflow/tfjs'
import { ConfigError } from '../lib/errors/errors.js'
import { activationNames, softCap } from '../lib/ops/activations.js'
import { attentionScores, attentionSoftmax, mixValues } from '../lib/ops/attention.js'
import { joinHeads, repeatHeads } from '../lib/ops/heads.js'
import { linear, linearPerHead } from '../lib/ops/linear.js'
import { rotate } from '../lib/ops/rotary.js'
import type { Architecture, Block, RotaryFrame } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { causalFrame, rotaryFrame } from '../lib/transformer/frames.js'
import { joinPast } from '../lib/transformer/kv-cache.js'
import { rmsNorm } from '../lib/transformer/norms.js'
import { onePlus, type TensorSpec } from '../lib/weights/collect.js'
import { headMatrices } from '../lib/weights/packed.js'
import { addEmbeddingScale } from './gemma.js'
import { readLlamaConfig, refuseFlags, type LlamaConfig } from './llama-config.js'
import { blockMatrices, llama, mlp, queriesKeysValues, tensorsOf } from './llama.js'

export interface Gemma2Config extends LlamaConfig {
  /** Whether a layer's attention is local: over the last `window` positions, the query's own included. */
  readonly local: readonly boolean[]
  readonly window: number
  /** q · k is divided by its root (`query_pre_attn_scalar`). */
  readonly queryScalar: number
  /** Soft-cap of the scores; undefined for none. */
  readonly scoresSoftCap: number | undefined
}

function readConfig(json: Readonly<Record<string, unknown>>): Gemma2Config {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['attention_bias', 'use_bidirectional_attention'])
  const activation = read.oneOf('hidden_activation', activationNames, 'gelu_pytorch_tanh')
  const decoder = readLlamaConfig(read, { activation, tied: true })
  const finalSoftCap = readSoftCap(read, 'final_logit_softcapping')
  return {
    modelType: 'gemma2',
    ...decoder,
    local: readLocalLayers(read, json, decoder.nLayers),
    window: read.size('sliding_window', 4096),
    queryScalar: read.positive('query_pre_attn_scalar', 256),
    scoresSoftCap: readSoftCap(read, 'attn_logit_softcapping'),
    ...(finalSoftCap !== undefined && { finalSoftCap }),
  }
}

/** Null, or a field that is not there, is no cap. */
function readSoftCap(read: ConfigReader, key: string): number | undefined {
  return read.has(key) ? read.positive(key) : undefined
}

/** `layer_types`, or, in configs from before there was such a field, local and global in turn. */
function readLocalLayers(read: ConfigReader, json: Readonly<Record<string, unknown>>, nLayers: number): boolean[] {
  if (!read.has('layer_types')) return Array.from({ length: nLayers }, (_, l) => l % 2 === 0)
  const types = json['layer_types']
  const known = ['sliding_attention', 'full_attention']
  if (Array.isArray(types) && types.length === nLayers && types.every((type) => known.includes(type as string)))
    return types.map((type) => type === known[0])
  const shown = JSON.stringify(types)?.slice(0, 80)
  throw new ConfigError(
    `config.json: layer_types is ${shown}. It must hold '${known.join("' or '")}' for each of ${nLayers} layers.`,
  )
}

type Gemma2Block = Block<Gemma2Config, RotaryFrame>

function block(own: Gemma2Block, residPre: tf.Tensor3D): tf.Tensor3D {
  const { at } = own
  const attnOut = at('hook_attn_out', () => postNorm(own, 'ln1_post', attention(own, residPre))) // [B,P,D]
  const residMid = at('hook_resid_mid', residPre.add<tf.Tensor3D>(attnOut)) // [B,P,D]
  const mlpIn = at('hook_mlp_in', residMid) // [B,P,D]
  const mlpOut = at('hook_mlp_out', () => postNorm(own, 'ln2_post', mlp(own, mlpIn))) // [B,P,D]
  return residMid.add(mlpOut)
}

function postNorm({ config, weights: w, at }: Gemma2Block, name: string, x: tf.Tensor3D): tf.Tensor3D {
  return rmsNorm(x, { eps: config.eps, at: at.under(name), ...w.norm(name) })
}

/** Through `ln1`, whose points and those of split inputs are on Llama's page, as are those of the MLP. */
function attention(own: Gemma2Block, x: tf.Tensor3D): tf.Tensor3D {
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
  const products = attentionScores({ q, k: repeatHeads(k, times) }, 1 / Math.sqrt(config.queryScalar)) // [B,H,P,N]
  const { scoresSoftCap: cap } = config
  const capped = cap === undefined ? products : softCap(products, cap)
  const scores = at('hook_attn_scores', capped.add<tf.Tensor4D>(frame.bias)) // [B,H,P,N]
  const pattern = at('hook_pattern', attentionSoftmax(scores, frame.padded)) // [B,H,P,N]
  const z = at('hook_z', mixValues(pattern, repeatHeads(v, times))) // [B,P,H,K]
  if (!at.observed('hook_result')) return linear(joinHeads(z), w.matrix('attn.W_O')) // [B,P,D]
  return at('hook_result', linearPerHead(z, headMatrices(w, config, 'O'))).sum(2) // [B,P,H,D] summed over heads
}

// Hugging Face name → ours. The second norm of attention and MLP is never folded: nothing linear reads it alone.
const blockTensors = (c: Gemma2Config): TensorSpec[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel], onePlus],
  ['post_attention_layernorm.weight', 'ln1_post.w', [c.dModel], onePlus],
  ['pre_feedforward_layernorm.weight', 'ln2.w', [c.dModel], onePlus],
  ['post_feedforward_layernorm.weight', 'ln2_post.w', [c.dModel], onePlus],
  ...blockMatrices(c),
]

export const gemma2: Architecture<Gemma2Config, RotaryFrame> = {
  ...llama,
  modelType: 'gemma2',
  readConfig,
  traits: (c) => ({ ...llama.traits(c), postNorms: true }),
  frames(c, input) {
    const global = rotaryFrame(input, { ...c.rotary, dimensions: c.dHead })
    const local = { ...global, bias: causalFrame(input, { window: c.window }).bias }
    return (layer) => (c.local[layer] ? local : global)
  },
  block,
  tensors: (_, c) => tensorsOf(c, blockTensors(c), onePlus),
  addWeights: addEmbeddingScale,
}
