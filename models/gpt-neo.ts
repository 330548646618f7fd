/**
 * GPT-Neo (Black et al. 2021), of which the TinyStories models are: attention over all positions and over the last few
 * in turn, without a scale.
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
import { geluNew } from '../lib/ops/gelu.js'
import { layerNorm } from '../lib/ops/layer-norm.js'
import { learnedPositions } from '../lib/ops/positions.js'
import { unembed } from '../lib/transformer/unembed.js'
import { collectTensors, transposed, type Wanted } from '../lib/weights/collect.js'
import { packedValues, packedWeight, packQueries } from '../lib/weights/packed.js'
import { layerNormDependsOn, type Anatomy, type NamedTensors } from '../lib/weights/process.js'
import { intoMlp, wantedIntoMlp } from '../lib/weights/turned.js'
import type { Weights } from '../lib/weights/weights.js'

export interface GptNeoConfig extends ModelConfig {
  /** Whether a layer's attention is local: over the last `window` positions, the query's own included. */
  readonly local: readonly boolean[]
  readonly window: number
}

function readConfig(json: Record<string, unknown>): GptNeoConfig {
  const read = new ConfigReader(json, 'config.json')
  const { dModel, nHeads, dHead } = read.heads('hidden_size', 'num_heads')
  const nLayers = read.size('num_layers')
  read.oneOf('activation_function', ['gelu_new', 'gelu_pytorch_tanh'], 'gelu_new') // two names of one function
  return {
    modelType: 'gpt_neo',
    nLayers,
    dModel,
    nHeads,
    dHead,
    dMlp: read.size('intermediate_size', 4 * dModel),
    nCtx: read.size('max_position_embeddings', 2048),
    dVocab: read.size('vocab_size'),
    normalization: 'LN',
    eps: read.positive('layer_norm_epsilon', 1e-5),
    local: readAttentionLayers(json, nLayers),
    window: read.size('window_size', 256),
  }
}

/** `attention_layers`, a name for each layer, or `attention_types`, names and how often they come: [[["global","local"],12]]. */
function readAttentionLayers(json: Record<string, unknown>, nLayers: number): boolean[] {
  const field = Array.isArray(json['attention_layers']) ? 'attention_layers' : 'attention_types'
  const listed: unknown = json[field]
  const layers = Array.isArray(listed) ? (field === 'attention_layers' ? listed : repeatedTypes(listed, nLayers)) : []
  if (layers.length === nLayers && layers.every((type) => type === 'global' || type === 'local')) {
    return layers.map((type) => type === 'local')
  }
  const shown = JSON.stringify(listed)?.slice(0, 80) ?? 'missing'
  throw new ConfigError(
    `config.json: ${field} is ${shown}. It must name 'global' or 'local' for each of the ${nLayers} layers.`,
  )
}

/** The types one after another; a count is a file's word, so it goes no further than the layers. */
function repeatedTypes(groups: readonly unknown[], nLayers: number): unknown[] {
  return groups.flatMap((group) => {
    const [types, times] = Array.isArray(group) ? (group as unknown[]) : []
    if (!Array.isArray(types) || !Number.isInteger(times)) return [undefined]
    return Array.from({ length: Math.min(times as number, nLayers) }, () => types as unknown[]).flat()
  })
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

function hookPoints(c: GptNeoConfig): HookPoint[] {
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
  readonly bias: { readonly global: tf.Tensor4D; readonly local: tf.Tensor4D }
  readonly padded: boolean
  readonly past: Past | undefined
}

function forward(w: Weights, c: GptNeoConfig, input: ForwardInput, at: At): tf.Tensor3D {
  const { tokens, mask, past, from, stopAt = Infinity, columns } = input
  const seen = { mask, past: past?.length }
  const bias = {
    global: causalMask(tokens.shape[1], seen),
    local: causalMask(tokens.shape[1], { ...seen, window: c.window }),
  }
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

function block(w: Weights, c: GptNeoConfig, l: number, x: tf.Tensor3D, frame: Frame, at: At): tf.Tensor3D {
  const own = { w, c, l, at }
  const bias = c.local[l] ? frame.bias.local : frame.bias.global
  const options = { ...frame, bias, scale: 1 }
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

function anatomy(c: GptNeoConfig): Anatomy {
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

// Hugging Face name → ours. Its linear layers store [out,in].
const blockTensors = ({ dModel, dMlp }: GptNeoConfig): Wanted[] => [
  ['ln_1.weight', 'ln1.w', [dModel]],
  ['ln_1.bias', 'ln1.b', [dModel]],
  ['attn.attention.q_proj.weight', 'attn.W_Q', [dModel, dModel], transposed],
  ['attn.attention.k_proj.weight', 'attn.W_K', [dModel, dModel], transposed],
  ['attn.attention.v_proj.weight', 'attn.W_V', [dModel, dModel], transposed],
  ['attn.attention.out_proj.weight', 'attn.W_O', [dModel, dModel], transposed],
  ['attn.attention.out_proj.bias', 'attn.b_O', [dModel]],
  ['ln_2.weight', 'ln2.w', [dModel]],
  ['ln_2.bias', 'ln2.b', [dModel]],
  wantedIntoMlp('mlp.c_fc.weight', 'mlp.W_in', [dMlp, dModel], 'out,in'),
  ['mlp.c_fc.bias', 'mlp.b_in', [dMlp]],
  ['mlp.c_proj.weight', 'mlp.W_out', [dModel, dMlp], transposed],
  ['mlp.c_proj.bias', 'mlp.b_out', [dModel]],
]

/** One at a time, so that a config that claims a billion layers fails at the first tensor that is not there. */
function* wantedTensors({ infos }: TensorReader, c: GptNeoConfig): Generator<Wanted> {
  const prefix = infos.has('transformer.wte.weight') ? 'transformer.' : ''
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
  c: GptNeoConfig,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const weights = await collectTensors(reader, wantedTensors(reader, c), /attn\.attention\.(masked_)?bias$/, progress)
  packQueries(weights, c.nLayers)
  for (let l = 0; l < c.nLayers; l++) weights.set(`blocks.${l}.attn.b_QKV`, tf.zeros([3 * c.dModel])) // for folding
  if (!weights.has('unembed.W_U')) weights.set('unembed.W_U', transposed(weights.get('embed.W_E')!)) // tied
  return weights.set('unembed.b_U', tf.zeros([c.dVocab]))
}

export const gptNeo: Architecture<GptNeoConfig> = {
  modelType: 'gpt_neo',
  readConfig,
  hookPoints,
  forward,
  fromHuggingFace,
  anatomy,
  dependsOn: layerNormDependsOn,
  weight: packedWeight,
}
