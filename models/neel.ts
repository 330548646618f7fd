/**
 * Neel Nanda's small models in TransformerLens's own format (gelu-1l, solu-2l, attn-only-2l and their kin): config.json
 * without a model_type, and model_final.pth.
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
import { activations, solu } from '../lib/ops/activations.js'
import { layerNorm } from '../lib/ops/layer-norm.js'
import { learnedPositions } from '../lib/ops/positions.js'
import { unembed } from '../lib/transformer/unembed.js'
import { collectTensors, type Wanted } from '../lib/weights/collect.js'
import { packedValues, packedWeight, packQueries } from '../lib/weights/packed.js'
import { layerNormDependsOn, type Anatomy, type NamedTensors, type ProcessingFlags } from '../lib/weights/process.js'
import { intoMlp, wantedIntoMlp } from '../lib/weights/turned.js'
import type { Weights } from '../lib/weights/weights.js'

export interface NeelConfig extends ModelConfig {
  readonly activation: 'gelu' | 'gelu_new' | 'relu' | 'solu_ln'
  /** The blocks have no MLP. */
  readonly attnOnly: boolean
}

function readConfig(json: Record<string, unknown>): NeelConfig {
  const read = new ConfigReader(json, 'config.json')
  const dModel = read.size('d_model')
  refuseVariants(read)
  return {
    modelType: 'neel',
    nLayers: read.size('n_layers'),
    dModel,
    nHeads: read.size('n_heads'),
    dHead: read.size('d_head'),
    dMlp: read.size('d_mlp', 4 * dModel),
    nCtx: read.size('n_ctx'),
    dVocab: read.size('d_vocab'),
    normalization: 'LN',
    eps: 1e-5, // whatever ln_eps says: as TransformerLens reads these models
    activation: read.oneOf('act_fn', ['gelu', 'gelu_new', 'relu', 'solu_ln']),
    attnOnly: read.flag('attn_only', false),
  }
}

/** Variants of the format that would be other models. */
function refuseVariants(read: ConfigReader): void {
  read.oneOf(read.has('normalization') ? 'normalization' : 'normalization_type', ['LN'], 'LN')
  const plain = { shortformer_pos: false, use_local_attn: false, final_rms: false, use_attn_scale: true }
  for (const [field, value] of Object.entries(plain)) {
    if (read.flag(field, value) === value) continue
    throw new ConfigError(`config.json: ${field} is ${!value}, which is not supported. It must be ${value}.`)
  }
}

// Points in firing order. The split inputs have a head axis, and so have ln1's points when one of them is asked for.
const attentionPoints: HookPoint[] = [
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
]

const innerNormPoints: HookPoint[] = [
  { name: 'mlp.hook_mid', shape: '[B,P,M]' },
  { name: 'mlp.ln.hook_scale', shape: '[B,P,1]' },
  { name: 'mlp.ln.hook_normalized', shape: '[B,P,M]' },
]

const mlpPoints = (c: NeelConfig): HookPoint[] => [
  { name: 'hook_resid_mid', shape: '[B,P,D]' },
  { name: 'hook_mlp_in', shape: '[B,P,D]', onRequest: true },
  { name: 'ln2.hook_scale', shape: '[B,P,1]' },
  { name: 'ln2.hook_normalized', shape: '[B,P,D]' },
  { name: 'mlp.hook_pre', shape: '[B,P,M]' },
  ...(c.activation === 'solu_ln' ? innerNormPoints : []),
  { name: 'mlp.hook_post', shape: '[B,P,M]' },
  { name: 'hook_mlp_out', shape: '[B,P,D]' },
]

function hookPoints(c: NeelConfig): HookPoint[] {
  const residPost: HookPoint = { name: 'hook_resid_post', shape: '[B,P,D]' }
  const blockPoints = [...attentionPoints, ...(c.attnOnly ? [] : mlpPoints(c)), residPost]
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

function forward(w: Weights, c: NeelConfig, input: ForwardInput, at: At): tf.Tensor3D {
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

function block(w: Weights, c: NeelConfig, l: number, x: tf.Tensor3D, frame: Frame, at: At): tf.Tensor3D {
  const own = { w, c, l, at }
  const options = { ...frame, scale: 1 / Math.sqrt(c.dHead) }
  const throughNorm = (pre: tf.Tensor, atMlp: At) => normedSolu(w, c, `blocks.${l}`, pre, atMlp)
  const activate = c.activation === 'solu_ln' ? throughNorm : activations[c.activation]
  const unwatched = c.attnOnly ? undefined : quietBlock(own, x, options, { activate })
  if (unwatched) return unwatched
  const residPre = at('hook_resid_pre', x) // [B,P,D]
  const attention = (onto?: tf.Tensor3D) => layerNormAttention(own, residPre, options, onto)
  const attended = written('hook_attn_out', residPre, attention, at)
  if (c.attnOnly) return at('hook_resid_post', attended)
  const residMid = at('hook_resid_mid', attended)
  const mlpIn = at('hook_mlp_in', residMid)
  const mlp = (onto?: tf.Tensor3D) => layerNormMlp(own, mlpIn, activate, onto)
  return at('hook_resid_post', written('hook_mlp_out', residMid, mlp, at))
}

/** LayerNorm(solu(x)) [B,P,M]. Elhage et al. 2022, Softmax Linear Units. */
function normedSolu(w: Weights, c: NeelConfig, block: string, x: tf.Tensor, at: At): tf.Tensor {
  const mid = at('hook_mid', solu(x))
  return layerNorm(mid, c.eps, at.under('ln'), w.maybe(`${block}.mlp.ln.w`), w.maybe(`${block}.mlp.ln.b`))
}

function anatomy(c: NeelConfig): Anatomy {
  const layers = Array.from({ length: c.nLayers }, (_, l) => `blocks.${l}`)
  const mlps = c.attnOnly ? [] : layers
  const unembed = { W: 'unembed.W_U', b: 'unembed.b_U' }
  const norm = (name: string, W: string, b: string) => ({ weight: `${name}.w`, bias: `${name}.b`, readers: [{ W, b }] })
  return {
    normalization: 'LN',
    norms: [
      ...layers.map((b) => norm(`${b}.ln1`, `${b}.attn.W_QKV`, `${b}.attn.b_QKV`)),
      ...mlps.map((b) => norm(`${b}.ln2`, intoMlp(`${b}.mlp.W_in`), `${b}.mlp.b_in`)),
      ...(c.activation === 'solu_ln' ? mlps.map((b) => norm(`${b}.mlp.ln`, `${b}.mlp.W_out`, `${b}.mlp.b_out`)) : []),
      norm('ln_final', unembed.W, unembed.b),
    ],
    writers: [
      { W: 'embed.W_E' },
      { W: 'pos_embed.W_pos' },
      ...layers.map((b) => ({ W: `${b}.attn.W_O`, b: `${b}.attn.b_O` })),
      ...mlps.map((b) => ({ W: `${b}.mlp.W_out`, b: `${b}.mlp.b_out` })),
    ],
    values: packedValues(c.nLayers, c),
    unembed,
  }
}

/** The norm inside the MLP is folded into W_out, so what W_out reads changes. */
function dependsOn(flag: keyof ProcessingFlags, hookName: string, c: NeelConfig): boolean {
  const isInner = c.activation === 'solu_ln' && hookName.endsWith('.mlp.hook_post')
  return (isInner && flag === 'foldLn') || layerNormDependsOn(flag, hookName)
}

const headsLast = (W: tf.Tensor): tf.Tensor => W.transpose([1, 0, 2]).reshape([W.shape[1]!, -1]) // [H,D,K] → [D,H·K]
const flat = (b: tf.Tensor): tf.Tensor => b.flatten()

/** A tensor whose name is the same on both sides. */
const own = (name: string, shape: readonly number[], rearrange?: Wanted[3]): Wanted => [name, name, shape, rearrange]

const attentionTensors = ({ dModel, nHeads, dHead }: NeelConfig): Wanted[] => [
  ...['ln1.w', 'ln1.b', 'attn.b_O'].map((name) => own(name, [dModel])),
  ...['attn.W_Q', 'attn.W_K', 'attn.W_V'].map((name) => own(name, [nHeads, dModel, dHead], headsLast)),
  ...['attn.b_Q', 'attn.b_K', 'attn.b_V'].map((name) => own(name, [nHeads, dHead], flat)),
  own('attn.W_O', [nHeads, dHead, dModel], (W) => W.reshape([nHeads * dHead, dModel])),
]

const mlpTensors = ({ dModel, dMlp, activation }: NeelConfig): Wanted[] => [
  ...['ln2.w', 'ln2.b', 'mlp.b_out'].map((name) => own(name, [dModel])),
  ...['mlp.b_in', ...(activation === 'solu_ln' ? ['mlp.ln.w', 'mlp.ln.b'] : [])].map((name) => own(name, [dMlp])),
  wantedIntoMlp('mlp.W_in', 'mlp.W_in', [dModel, dMlp], 'in,out'),
  own('mlp.W_out', [dMlp, dModel]),
]

/** One at a time: a config that claims a billion layers fails at the first tensor that is not there. */
function* wantedTensors(c: NeelConfig): Generator<Wanted> {
  yield own('embed.W_E', [c.dVocab, c.dModel])
  yield own('pos_embed.W_pos', [c.nCtx, c.dModel])
  const block = [...attentionTensors(c), ...(c.attnOnly ? [] : mlpTensors(c))]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of block) yield [`blocks.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
  }
  yield own('ln_final.w', [c.dModel])
  yield own('ln_final.b', [c.dModel])
  yield own('unembed.W_U', [c.dModel, c.dVocab])
  yield own('unembed.b_U', [c.dVocab])
}

async function fromHuggingFace(
  reader: TensorReader,
  c: NeelConfig,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const weights = await collectTensors(reader, wantedTensors(c), /\.attn\.(mask|IGNORE)$/, progress)
  packQueries(weights, c.nLayers)
  return weights
}

export const neel: Architecture<NeelConfig> = {
  modelType: 'neel',
  readConfig,
  hookPoints,
  forward,
  fromHuggingFace,
  anatomy,
  dependsOn,
  weight: packedWeight,
}
