/**
 * GPT-NeoX (Black et al. 2022, arXiv:2204.06745), of which the Pythia models are: rotary positions, and blocks whose
 * attention and MLP both read the residual stream as it comes in.
 * Axes: B batch · P position · D d_model · H heads · K d_head · M d_mlp · V vocabulary · L layers
 */
import * as tf from '@tensorflow/tfjs'
import type { Architecture, ForwardInput, ModelConfig, Past, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { ConfigError } from '../lib/errors/errors.js'
import type { At, HookPoint } from '../lib/core/hooks.js'
import { layerNormAttention, written } from '../lib/transformer/layer-norm-attention.js'
import { quietBlock } from '../lib/transformer/layer-norm-block.js'
import { layerNormMlp } from '../lib/transformer/layer-norm-mlp.js'
import { causalMask } from '../lib/ops/attention.js'
import { activationNames, activations, type ActivationName } from '../lib/ops/activations.js'
import { layerNorm } from '../lib/ops/layer-norm.js'
import { rotaryTables, type RotaryTables } from '../lib/ops/rotary.js'
import { unembed } from '../lib/transformer/unembed.js'
import { collectTensors, transposed, type Wanted } from '../lib/weights/collect.js'
import { packedValues, packedWeight } from '../lib/weights/packed.js'
import { layerNormDependsOn, type Anatomy, type NamedTensors } from '../lib/weights/process.js'
import { intoMlp, wantedIntoMlp } from '../lib/weights/turned.js'
import type { Weights } from '../lib/weights/weights.js'

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

function readConfig(json: Record<string, unknown>): GptNeoxConfig {
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

// Points in firing order. The split inputs have a head axis, and so have ln1's points when one of them is asked for.
const blockPoints = (c: GptNeoxConfig): HookPoint[] => [
  { name: 'hook_resid_pre', shape: '[B,P,D]' },
  { name: 'hook_attn_in', shape: '[B,P,H,D]', onRequest: true },
  { name: 'hook_q_input', shape: '[B,P,H,D]', onRequest: true },
  { name: 'hook_k_input', shape: '[B,P,H,D]', onRequest: true },
  { name: 'hook_v_input', shape: '[B,P,H,D]', onRequest: true },
  { name: 'ln1.hook_scale', shape: '[B,P,1]' },
  { name: 'ln1.hook_normalized', shape: '[B,P,D]' },
  { name: 'attn.hook_q', shape: '[B,P,H,K]' },
  { name: 'attn.hook_k', shape: '[B,P,H,K]' },
  { name: 'attn.hook_v', shape: '[B,P,H,K]' },
  { name: 'attn.hook_rot_q', shape: '[B,P,H,K]' },
  { name: 'attn.hook_rot_k', shape: '[B,P,H,K]' },
  { name: 'attn.hook_attn_scores', shape: '[B,H,P,P]' },
  { name: 'attn.hook_pattern', shape: '[B,H,P,P]' },
  { name: 'attn.hook_z', shape: '[B,P,H,K]' },
  { name: 'attn.hook_result', shape: '[B,P,H,D]', onRequest: true },
  { name: 'hook_attn_out', shape: '[B,P,D]' },
  ...(c.parallel ? [] : [{ name: 'hook_resid_mid', shape: '[B,P,D]' }]),
  { name: 'hook_mlp_in', shape: '[B,P,D]', onRequest: true },
  { name: 'ln2.hook_scale', shape: '[B,P,1]' },
  { name: 'ln2.hook_normalized', shape: '[B,P,D]' },
  { name: 'mlp.hook_pre', shape: '[B,P,M]' },
  { name: 'mlp.hook_post', shape: '[B,P,M]' },
  { name: 'hook_mlp_out', shape: '[B,P,D]' },
  { name: 'hook_resid_post', shape: '[B,P,D]' },
]

function hookPoints(c: GptNeoxConfig): HookPoint[] {
  const layers = Array.from({ length: c.nLayers }, (_, l) =>
    blockPoints(c).map((p) => ({ ...p, name: `blocks.${l}.${p.name}` })),
  )
  return [
    { name: 'hook_embed', shape: '[B,P,D]' },
    ...layers.flat(),
    { name: 'ln_final.hook_scale', shape: '[B,P,1]' },
    { name: 'ln_final.hook_normalized', shape: '[B,P,D]' },
    { name: 'unembed.hook_in', shape: '[B,P,D]' },
    { name: 'unembed.hook_out', shape: '[B,P,V]' },
  ]
}

/** What all blocks of one forward pass share. */
interface Frame {
  /** Added to the scores: [1|B,1,P,past+P]. */
  readonly bias: tf.Tensor4D
  readonly padded: boolean
  readonly past: Past | undefined
  readonly rotary: RotaryTables
}

function forward(w: Weights, c: GptNeoxConfig, input: ForwardInput, at: At): tf.Tensor3D {
  const { tokens, mask, past, from, stopAt = Infinity, columns } = input
  const seen = { mask, past: past?.length }
  const rotary = rotaryTables(tokens.shape[1], { ...c.rotary, ...seen })
  const frame = { bias: causalMask(tokens.shape[1], seen), padded: mask !== undefined, past, rotary }
  let resid = from?.resid ?? at('hook_embed', tf.gather(w.get('embed.W_E'), tokens) as tf.Tensor3D) // [B,P,D]
  for (let l = from?.layer ?? 0; l < Math.min(c.nLayers, stopAt); l++) {
    const before = resid
    resid = tf.tidy(() => block(w, c, l, before, frame, at.under(`blocks.${l}`)))
  }
  if (stopAt <= c.nLayers) return resid
  const final = layerNorm(resid, c.eps, at.under('ln_final'), w.maybe('ln_final.w'), w.maybe('ln_final.b'))
  return unembed(w, final, columns, at) // [B,P,V]
}

function block(w: Weights, c: GptNeoxConfig, l: number, x: tf.Tensor3D, frame: Frame, at: At): tf.Tensor3D {
  const own = { w, c, l, at }
  const options = { ...frame, scale: 1 / Math.sqrt(c.dHead) }
  const activate = activations[c.activation]
  const unwatched = quietBlock(own, x, options, { activate, parallel: c.parallel })
  if (unwatched) return unwatched
  const residPre = at('hook_resid_pre', x) // [B,P,D]
  const attention = (onto?: tf.Tensor3D) => layerNormAttention(own, residPre, options, onto)
  const attended = written('hook_attn_out', residPre, attention, at)
  const residMid = c.parallel ? undefined : at('hook_resid_mid', attended)
  const mlpIn = at('hook_mlp_in', residMid ?? residPre)
  const mlp = (onto?: tf.Tensor3D) => layerNormMlp(own, mlpIn, activate, onto)
  return at('hook_resid_post', written('hook_mlp_out', residMid ?? attended, mlp, at))
}

function anatomy(c: GptNeoxConfig): Anatomy {
  const layers = Array.from({ length: c.nLayers }, (_, l) => `blocks.${l}`)
  const unembed = { W: 'unembed.W_U', b: 'unembed.b_U' }
  const norm = (name: string, W: string, b: string) => ({ weight: `${name}.w`, bias: `${name}.b`, readers: [{ W, b }] })
  return {
    normalization: 'LN',
    norms: [
      ...layers.map((b) => norm(`${b}.ln1`, `${b}.attn.W_QKV`, `${b}.attn.b_QKV`)),
      ...layers.map((b) => norm(`${b}.ln2`, intoMlp(`${b}.mlp.W_in`), `${b}.mlp.b_in`)),
      norm('ln_final', unembed.W, unembed.b),
    ],
    writers: [
      { W: 'embed.W_E' },
      ...layers.map((b) => ({ W: `${b}.attn.W_O`, b: `${b}.attn.b_O` })),
      ...layers.map((b) => ({ W: `${b}.mlp.W_out`, b: `${b}.mlp.b_out` })),
    ],
    values: packedValues(c.nLayers, c),
    unembed,
  }
}

/** Each head's q, k and v side by side → all q, all k, all v: [(H·3·K),…] → […,3·H·K]. */
function sorted(stored: tf.Tensor, { nHeads, dHead }: GptNeoxConfig): tf.Tensor {
  const inputs = stored.shape.slice(1) // none for a bias
  const byHead = stored.reshape([nHeads, 3, dHead, ...inputs])
  return byHead.transpose([1, 0, 2, 3].slice(0, byHead.rank)).reshape(stored.shape).transpose()
}

// Hugging Face name → ours. Its linear layers store [out,in].
const blockTensors = (c: GptNeoxConfig): Wanted[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel]],
  ['input_layernorm.bias', 'ln1.b', [c.dModel]],
  ['attention.query_key_value.weight', 'attn.W_QKV', [3 * c.dModel, c.dModel], (W) => sorted(W, c)],
  ['attention.dense.weight', 'attn.W_O', [c.dModel, c.dModel], transposed],
  ...(c.attentionBias ? attentionBiases(c) : []),
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel]],
  ['post_attention_layernorm.bias', 'ln2.b', [c.dModel]],
  wantedIntoMlp('mlp.dense_h_to_4h.weight', 'mlp.W_in', [c.dMlp, c.dModel], 'out,in'),
  ['mlp.dense_h_to_4h.bias', 'mlp.b_in', [c.dMlp]],
  ['mlp.dense_4h_to_h.weight', 'mlp.W_out', [c.dModel, c.dMlp], transposed],
  ['mlp.dense_4h_to_h.bias', 'mlp.b_out', [c.dModel]],
]

const attentionBiases = (c: GptNeoxConfig): Wanted[] => [
  ['attention.query_key_value.bias', 'attn.b_QKV', [3 * c.dModel], (b) => sorted(b, c)],
  ['attention.dense.bias', 'attn.b_O', [c.dModel]],
]

/** One at a time, so that a config that claims a billion layers fails at the first tensor that is not there. */
function* wantedTensors({ infos }: TensorReader, c: GptNeoxConfig): Generator<Wanted> {
  yield ['gpt_neox.embed_in.weight', 'embed.W_E', [c.dVocab, c.dModel]]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors(c)) {
      yield [`gpt_neox.layers.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
    }
  }
  yield ['gpt_neox.final_layer_norm.weight', 'ln_final.w', [c.dModel]]
  yield ['gpt_neox.final_layer_norm.bias', 'ln_final.b', [c.dModel]]
  if (!c.tied || infos.has('embed_out.weight'))
    yield ['embed_out.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed]
}

async function fromHuggingFace(
  reader: TensorReader,
  c: GptNeoxConfig,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const ballast = /\.attention\.((masked_)?bias|rotary_emb\.inv_freq)$/
  const weights = await collectTensors(reader, wantedTensors(reader, c), ballast, progress)
  for (let l = 0; l < c.nLayers && !c.attentionBias; l++) {
    weights.set(`blocks.${l}.attn.b_QKV`, tf.zeros([3 * c.dModel])) // folding fills them
    weights.set(`blocks.${l}.attn.b_O`, tf.zeros([c.dModel]))
  }
  if (!weights.has('unembed.W_U')) weights.set('unembed.W_U', transposed(weights.get('embed.W_E')!)) // tied
  return weights.set('unembed.b_U', tf.zeros([c.dVocab]))
}

export const gptNeox: Architecture<GptNeoxConfig> = {
  modelType: 'gpt_neox',
  readConfig,
  hookPoints,
  forward,
  fromHuggingFace,
  anatomy,
  dependsOn: layerNormDependsOn,
  weight: packedWeight,
}
