/**
 * GPT-NeoX (Black et al. 2022, arXiv:2204.06745), of which the Pythia models are: rotary positions, and blocks whose
 * attention and MLP both read the residual stream as it comes in.
 * Axes: B batch · P position · N positions, earlier ones included · D d_model · H heads · K d_head · M d_mlp · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import { ConfigError } from '../lib/errors/errors.js'
import { activationNames, activations, type ActivationName } from '../lib/ops/activations.js'
import { attentionScores, attentionSoftmax, mixValues } from '../lib/ops/attention.js'
import { geluNew } from '../lib/ops/gelu.js'
import { joinHeads } from '../lib/ops/heads.js'
import { linear, linearPerHead } from '../lib/ops/linear.js'
import { rotate } from '../lib/ops/rotary.js'
import type {
  Architecture,
  Block,
  Embedding,
  ModelConfig,
  RotaryFrame,
  TensorReader,
} from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { rotaryFrame, sameFrame } from '../lib/transformer/frames.js'
import { layerNormBlock } from '../lib/transformer/fused/layer-norm-block.js'
import { joinPast } from '../lib/transformer/kv-cache.js'
import { layerNorm } from '../lib/transformer/norms.js'
import { transposed, type TensorSpec } from '../lib/weights/collect.js'
import { headMatrices } from '../lib/weights/packed.js'
import { queriesKeysValues } from './gpt2.js'

export interface GptNeoxConfig extends ModelConfig {
  readonly activation: ActivationName
  /** Attention and MLP read the same residual stream; else the MLP reads what attention wrote to. */
  readonly parallel: boolean
  /** How many dimensions of a head are rotated, and the base of the angles. */
  readonly rotary: { readonly dimensions: number; readonly base: number }
  /** Whether attention has biases. */
  readonly attentionBias: boolean
  /** The unembedding is the embedding. */
  readonly tied: boolean
}

function readConfig(json: Readonly<Record<string, unknown>>): GptNeoxConfig {
  const read = new ConfigReader(json, 'config.json')
  const { dModel, nHeads, dHead } = read.heads('hidden_size', 'num_attention_heads')
  return {
    modelType: 'gpt_neox',
    nLayers: read.size('num_hidden_layers'),
    dModel,
    nHeads,
    dHead,
    dMlp: read.size('intermediate_size', 4 * dModel),
    nCtx: read.size('max_position_embeddings', 2048),
    dVocab: read.size('vocab_size'),
    normalization: 'LN',
    eps: read.positive('layer_norm_eps', 1e-5),
    activation: read.oneOf('hidden_act', activationNames, 'gelu'),
    parallel: read.flag('use_parallel_residual', true),
    rotary: readRotary(read, dHead),
    attentionBias: read.flag('attention_bias', true),
    tied: read.flag('tie_word_embeddings', false),
  }
}

/** The same fields under older and newer names, the newest in `rope_parameters`. */
function readRotary(config: ConfigReader, dHead: number): GptNeoxConfig['rotary'] {
  const read = config.has('rope_parameters') ? config.record('rope_parameters') : config
  read.oneOf('rope_type', ['default'], 'default')
  if (config.has('rope_scaling')) {
    throw new ConfigError('config.json: rope_scaling is set, which is not supported. It must be null.')
  }
  const share = read.positive(read.has('rotary_pct') ? 'rotary_pct' : 'partial_rotary_factor', 0.25)
  const dimensions = Math.floor(dHead * share)
  if (dimensions < 2 || dimensions % 2 !== 0 || dimensions > dHead) {
    const what = `${share} of a head of ${dHead} is ${dimensions} dimensions to rotate`
    throw new ConfigError(`config.json: ${what}. It must be an even number up to ${dHead}.`)
  }
  return { dimensions, base: read.positive(read.has('rotary_emb_base') ? 'rotary_emb_base' : 'rope_theta', 10000) }
}

function embed({ weights: w, input, at }: Embedding): tf.Tensor3D {
  return at('hook_embed', tf.gather(w.get('embed.W_E'), input.tokens) as tf.Tensor3D) // [B,P,D]
}

function block(own: Block<GptNeoxConfig, RotaryFrame>, residPre: tf.Tensor3D): tf.Tensor3D {
  const { at, config } = own
  const attnOut = at('hook_attn_out', () => attention(own, residPre)) // [B,P,D]
  const attended = residPre.add<tf.Tensor3D>(attnOut)
  const residMid = config.parallel ? attended : at('hook_resid_mid', attended) // [B,P,D]
  const mlpIn = at('hook_mlp_in', config.parallel ? residPre : residMid) // [B,P,D]
  const mlpOut = at('hook_mlp_out', () => mlp(own, mlpIn)) // [B,P,D]
  return residMid.add(mlpOut)
}

/** Through `ln1`, whose points and those of split inputs are on GPT-2's page: `queriesKeysValues`. */
function attention(own: Block<GptNeoxConfig, RotaryFrame>, x: tf.Tensor3D): tf.Tensor3D {
  const { config, layer, weights: w, frame } = own
  const at = own.at.under('attn')
  const fresh = queriesKeysValues(own, x)
  const plainQ = at('hook_q', fresh.q) // [B,P,H,K]
  const plainK = at('hook_k', fresh.k) // [B,P,H,K]
  const newV = at('hook_v', fresh.v) // [B,P,H,K]
  const q = at('hook_rot_q', rotate(plainQ, frame.rotary)) // [B,P,H,K]
  const newK = at('hook_rot_k', rotate(plainK, frame.rotary)) // [B,P,H,K]
  const { k, v } = joinPast(frame.past, layer, { k: newK, v: newV }) // [B,N,H,K]
  const scores = attentionScores({ q, k, bias: frame.bias }, scoreScale(config))
  const pattern = attentionSoftmax(at('hook_attn_scores', scores), frame.padded) // [B,H,P,N]
  const z = at('hook_z', mixValues(at('hook_pattern', pattern), v)) // [B,P,H,K]
  if (!at.observed('hook_result')) return linear(joinHeads(z), w.matrix('attn.W_O'), w.get('attn.b_O')) // [B,P,D]
  const result = at('hook_result', linearPerHead(z, headMatrices(w, config, 'O'))) // [B,P,H,D]
  return result.sum<tf.Tensor3D>(2).add(w.get('attn.b_O')) // [B,P,D]
}

const scoreScale = ({ dHead }: GptNeoxConfig): number => 1 / Math.sqrt(dHead)

function mlp({ config, weights: w, at: atBlock }: Block<GptNeoxConfig>, x: tf.Tensor3D): tf.Tensor3D {
  const at = atBlock.under('mlp')
  const normed = layerNorm(x, { eps: config.eps, at: atBlock.under('ln2'), ...w.norm('ln2') })
  const pre = at('hook_pre', linear(normed, w.matrix('mlp.W_in'), w.get('mlp.b_in'))) // [B,P,M]
  const post = at('hook_post', activations[config.activation](pre)) // [B,P,M]
  return linear(post, w.matrix('mlp.W_out'), w.get('mlp.b_out')) // [B,P,D]
}

/** Each head's q, k and v next to each other → all q, all k, all v: [(H·3·K),…] → […,3·H·K]. */
function sorted(stored: tf.Tensor, { nHeads, dHead }: GptNeoxConfig): tf.Tensor {
  const inputs = stored.shape.slice(1) // none for a bias
  const byHead = stored.reshape([nHeads, 3, dHead, ...inputs])
  return byHead.transpose([1, 0, 2, 3].slice(0, byHead.rank)).reshape(stored.shape).transpose()
}

// Hugging Face name → ours. Its linear layers store [out,in].
const blockTensors = (c: GptNeoxConfig): TensorSpec[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel]],
  ['input_layernorm.bias', 'ln1.b', [c.dModel]],
  ['attention.query_key_value.weight', 'attn.W_QKV', [3 * c.dModel, c.dModel], (W) => sorted(W, c)],
  ['attention.dense.weight', 'attn.W_O', [c.dModel, c.dModel], transposed],
  ...(c.attentionBias ? attentionBiases(c) : []),
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel]],
  ['post_attention_layernorm.bias', 'ln2.b', [c.dModel]],
  ['mlp.dense_h_to_4h.weight', 'mlp.W_in', [c.dMlp, c.dModel], 'out,in'],
  ['mlp.dense_h_to_4h.bias', 'mlp.b_in', [c.dMlp]],
  ['mlp.dense_4h_to_h.weight', 'mlp.W_out', [c.dModel, c.dMlp], transposed],
  ['mlp.dense_4h_to_h.bias', 'mlp.b_out', [c.dModel]],
]

const attentionBiases = (c: GptNeoxConfig): TensorSpec[] => [
  ['attention.query_key_value.bias', 'attn.b_QKV', [3 * c.dModel], (b) => sorted(b, c)],
  ['attention.dense.bias', 'attn.b_O', [c.dModel]],
]

function* tensors(infos: TensorReader['infos'], c: GptNeoxConfig): Generator<TensorSpec> {
  yield ['gpt_neox.embed_in.weight', 'embed.W_E', [c.dVocab, c.dModel]]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors(c)) {
      yield [`gpt_neox.layers.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
    }
  }
  yield ['gpt_neox.final_layer_norm.weight', 'ln_final.w', [c.dModel]]
  yield ['gpt_neox.final_layer_norm.bias', 'ln_final.b', [c.dModel]]
  if (c.tied && !infos.has('embed_out.weight')) return
  yield ['embed_out.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed]
}

export const gptNeox: Architecture<GptNeoxConfig, RotaryFrame> = {
  modelType: 'gpt_neox',
  readConfig,
  traits: ({ parallel }) => ({ positions: 'rotary', mlp: 'plain', attentionBiases: true, parallel }),
  frames: (c, input) => sameFrame(rotaryFrame(input, c.rotary)),
  embed,
  block,
  fused: layerNormBlock<GptNeoxConfig>({
    scoreScale,
    isGeluNew: ({ activation }) => activations[activation] === geluNew,
    isParallel: ({ parallel }) => parallel,
  }),
  tensors,
  ignoredTensors: /\.attention\.((masked_)?bias|rotary_emb\.inv_freq)$/,
}
