/**
 * GPT-2 (Radford et al. 2019).
 * Axes: B batch · P position · D d_model · H heads · K d_head · M d_mlp · V vocabulary · L layers
 */
import * as tf from '@tensorflow/tfjs'
import type { Architecture, ForwardInput, ModelConfig, Past, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import type { At, HookPoint } from '../lib/core/hooks.js'
import { layerNormAttention, written } from '../lib/transformer/layer-norm-attention.js'
import { quietBlock } from '../lib/transformer/layer-norm-block.js'
import { layerNormMlp } from '../lib/transformer/layer-norm-mlp.js'
import { causalMask } from '../lib/ops/attention.js'
import { geluNew } from '../lib/ops/gelu.js'
import { layerNorm } from '../lib/ops/layer-norm.js'
import { learnedPositions } from '../lib/ops/positions.js'
import { unembed } from '../lib/transformer/unembed.js'
import { collectTensors, transposed, type Wanted } from '../lib/weights/collect.js'
import { packedValues, packedWeight } from '../lib/weights/packed.js'
import { layerNormDependsOn, type Anatomy, type NamedTensors } from '../lib/weights/process.js'
import { intoMlp, wantedIntoMlp } from '../lib/weights/turned.js'
import type { Weights } from '../lib/weights/weights.js'

export interface Gpt2Config extends ModelConfig {
  /** Divide the scores of layer l by l + 1 as well (`scale_attn_by_inverse_layer_idx`). */
  readonly scaleByInverseLayer: boolean
  /** Divide the scores by √K (`scale_attn_weights`). */
  readonly scaleScores: boolean
}

function readConfig(json: Record<string, unknown>): Gpt2Config {
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
    scaleByInverseLayer: read.flag('scale_attn_by_inverse_layer_idx', false),
    scaleScores: read.flag('scale_attn_weights', true),
  }
}

// Points in firing order. The split inputs have a head axis, and so have ln1's points when one of them is asked for.
const blockPoints: HookPoint[] = [
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
  { name: 'attn.hook_attn_scores', shape: '[B,H,P,P]' },
  { name: 'attn.hook_pattern', shape: '[B,H,P,P]' },
  { name: 'attn.hook_z', shape: '[B,P,H,K]' },
  { name: 'attn.hook_result', shape: '[B,P,H,D]', onRequest: true },
  { name: 'hook_attn_out', shape: '[B,P,D]' },
  { name: 'hook_resid_mid', shape: '[B,P,D]' },
  { name: 'hook_mlp_in', shape: '[B,P,D]', onRequest: true },
  { name: 'ln2.hook_scale', shape: '[B,P,1]' },
  { name: 'ln2.hook_normalized', shape: '[B,P,D]' },
  { name: 'mlp.hook_pre', shape: '[B,P,M]' },
  { name: 'mlp.hook_post', shape: '[B,P,M]' },
  { name: 'hook_mlp_out', shape: '[B,P,D]' },
  { name: 'hook_resid_post', shape: '[B,P,D]' },
]

function hookPoints(c: Gpt2Config): HookPoint[] {
  const layers = Array.from({ length: c.nLayers }, (_, l) =>
    blockPoints.map((p) => ({ ...p, name: `blocks.${l}.${p.name}` })),
  )
  return [
    { name: 'hook_embed', shape: '[B,P,D]' },
    { name: 'hook_pos_embed', shape: '[B,P,D]' },
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
}

function forward(w: Weights, c: Gpt2Config, input: ForwardInput, at: At): tf.Tensor3D {
  const { tokens, mask, past, from, stopAt = Infinity, columns } = input
  const bias = causalMask(tokens.shape[1], { mask, past: past?.length })
  const frame = { bias, padded: mask !== undefined, past }
  let resid = from?.resid ?? embedding(w, input, at)
  for (let l = from?.layer ?? 0; l < Math.min(c.nLayers, stopAt); l++) {
    const before = resid
    resid = tf.tidy(() => block(w, c, l, before, frame, at.under(`blocks.${l}`)))
  }
  if (stopAt <= c.nLayers) return resid
  const final = layerNorm(resid, c.eps, at.under('ln_final'), w.maybe('ln_final.w'), w.maybe('ln_final.b'))
  return unembed(w, final, columns, at) // [B,P,V]
}

function embedding(w: Weights, { tokens, mask, past }: ForwardInput, at: At): tf.Tensor3D {
  const embed = at('hook_embed', tf.gather(w.get('embed.W_E'), tokens) as tf.Tensor3D) // [B,P,D]
  const pos = at('hook_pos_embed', learnedPositions(w.get('pos_embed.W_pos'), tokens.shape, mask, past?.length))
  return embed.add(pos)
}

function block(w: Weights, c: Gpt2Config, l: number, x: tf.Tensor3D, frame: Frame, at: At): tf.Tensor3D {
  const own = { w, c, l, at }
  const scale = (c.scaleScores ? 1 / Math.sqrt(c.dHead) : 1) / (c.scaleByInverseLayer ? l + 1 : 1)
  const options = { ...frame, scale }
  const unwatched = quietBlock(own, x, options, { activate: geluNew })
  if (unwatched) return unwatched
  const residPre = at('hook_resid_pre', x) // [B,P,D]
  const attention = (onto?: tf.Tensor3D) => layerNormAttention(own, residPre, options, onto)
  const attended = written('hook_attn_out', residPre, attention, at)
  const residMid = at('hook_resid_mid', attended)
  const mlpIn = at('hook_mlp_in', residMid)
  const mlp = (onto?: tf.Tensor3D) => layerNormMlp(own, mlpIn, geluNew, onto)
  return at('hook_resid_post', written('hook_mlp_out', residMid, mlp, at))
}

function anatomy(c: Gpt2Config): Anatomy {
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
      { W: 'pos_embed.W_pos' },
      ...layers.map((b) => ({ W: `${b}.attn.W_O`, b: `${b}.attn.b_O` })),
      ...layers.map((b) => ({ W: `${b}.mlp.W_out`, b: `${b}.mlp.b_out` })),
    ],
    values: packedValues(c.nLayers, c),
    unembed,
  }
}

const HEAD = 'lm_head.weight'

// Hugging Face name → ours. Conv1D stores [in,out], as we do, with q, k and v side by side.
const blockTensors = (c: Gpt2Config): Wanted[] => [
  ['ln_1.weight', 'ln1.w', [c.dModel]],
  ['ln_1.bias', 'ln1.b', [c.dModel]],
  ['attn.c_attn.weight', 'attn.W_QKV', [c.dModel, 3 * c.dModel]],
  ['attn.c_attn.bias', 'attn.b_QKV', [3 * c.dModel]],
  ['attn.c_proj.weight', 'attn.W_O', [c.dModel, c.dModel]],
  ['attn.c_proj.bias', 'attn.b_O', [c.dModel]],
  ['ln_2.weight', 'ln2.w', [c.dModel]],
  ['ln_2.bias', 'ln2.b', [c.dModel]],
  wantedIntoMlp('mlp.c_fc.weight', 'mlp.W_in', [c.dModel, c.dMlp], 'in,out'),
  ['mlp.c_fc.bias', 'mlp.b_in', [c.dMlp]],
  ['mlp.c_proj.weight', 'mlp.W_out', [c.dMlp, c.dModel]],
  ['mlp.c_proj.bias', 'mlp.b_out', [c.dModel]],
]

/** One at a time, so that a config that claims a billion layers fails at the first tensor that is not there. */
function* wantedTensors({ infos }: TensorReader, c: Gpt2Config): Generator<Wanted> {
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
  if (infos.has(HEAD)) yield [HEAD, 'unembed.W_U', [c.dVocab, c.dModel], transposed]
}

async function fromHuggingFace(
  reader: TensorReader,
  c: Gpt2Config,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const weights = await collectTensors(reader, wantedTensors(reader, c), /(^|\.)attn\.(masked_)?bias$/, progress)
  if (!weights.has('unembed.W_U')) weights.set('unembed.W_U', transposed(weights.get('embed.W_E')!)) // tied
  return weights.set('unembed.b_U', tf.zeros([c.dVocab]))
}

export const gpt2: Architecture<Gpt2Config> = {
  modelType: 'gpt2',
  readConfig,
  hookPoints,
  forward,
  fromHuggingFace,
  anatomy,
  dependsOn: layerNormDependsOn,
  weight: packedWeight,
}
