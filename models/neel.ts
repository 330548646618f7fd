/**
 * Neel Nanda's small models in TransformerLens's own format (gelu-1l, solu-2l, attn-only-2l and their kin): config.json
 * without a model_type, and model_final.pth. Attention is GPT-2's (gpt2.ts); the MLP differs, or there is none.
 * Axes: B batch · P position · D d_model · H heads · K d_head · M d_mlp · V vocabulary
 */
import type * as tf from '@tensorflow/tfjs'
import { ConfigError } from '../lib/errors/errors.js'
import { activations, solu } from '../lib/ops/activations.js'
import { linear } from '../lib/ops/linear.js'
import type { Architecture, Block, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { layerNormBlock } from '../lib/transformer/fused/layer-norm-block.js'
import { layerNorm } from '../lib/transformer/norms.js'
import type { TensorSpec } from '../lib/weights/collect.js'
import { attention, gpt2, scoreScale, type Gpt2Config } from './gpt2.js'

export interface NeelConfig extends Gpt2Config {
  readonly activation: 'gelu' | 'gelu_new' | 'relu' | 'solu_ln'
  /** The blocks have no MLP. */
  readonly attnOnly: boolean
}

function readConfig(json: Readonly<Record<string, unknown>>): NeelConfig {
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
    scaleScores: true,
    scaleByInverseLayer: false,
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

function block(own: Block<NeelConfig>, residPre: tf.Tensor3D): tf.Tensor3D {
  const { at, config } = own
  const attnOut = at('hook_attn_out', () => attention(own, residPre)) // [B,P,D]
  const attended = residPre.add<tf.Tensor3D>(attnOut)
  if (config.attnOnly) return attended
  const residMid = at('hook_resid_mid', attended) // [B,P,D]
  const mlpOut = at('hook_mlp_out', () => mlp(own, at('hook_mlp_in', residMid))) // [B,P,D]
  return residMid.add(mlpOut)
}

function mlp({ config, weights: w, at: atBlock }: Block<NeelConfig>, x: tf.Tensor3D): tf.Tensor3D {
  const at = atBlock.under('mlp')
  const normed = layerNorm(x, { eps: config.eps, at: atBlock.under('ln2'), ...w.norm('ln2') })
  const pre = at('hook_pre', linear(normed, w.matrix('mlp.W_in'), w.get('mlp.b_in'))) // [B,P,M]
  const { activation } = config
  const activate = () =>
    activation === 'solu_ln' ? normedSolu({ config, weights: w, at }, pre) : activations[activation](pre)
  const post = at('hook_post', activate()) // [B,P,M]
  return linear(post, w.matrix('mlp.W_out'), w.get('mlp.b_out')) // [B,P,D]
}

/** LayerNorm(solu(x)) [B,P,M]. Elhage et al. 2022, Softmax Linear Units. `at` is under `mlp`. */
function normedSolu(
  { config, weights: w, at }: Pick<Block<NeelConfig>, 'config' | 'weights' | 'at'>,
  x: tf.Tensor3D,
): tf.Tensor3D {
  const mid = at('hook_mid', solu(x)) // [B,P,M]
  return layerNorm(mid, { eps: config.eps, at: at.under('ln'), ...w.norm('mlp.ln') })
}

const headsLast = (W: tf.Tensor): tf.Tensor => W.transpose([1, 0, 2]).reshape([W.shape[1]!, -1]) // [H,D,K] → [D,H·K]
const flat = (b: tf.Tensor): tf.Tensor => b.flatten()

/** A tensor whose name is the same on both sides. */
const own = (name: string, shape: readonly number[], rearrange?: TensorSpec[3]): TensorSpec => [
  name,
  name,
  shape,
  rearrange,
]

const attentionTensors = ({ dModel, nHeads, dHead }: NeelConfig): TensorSpec[] => [
  ...['ln1.w', 'ln1.b', 'attn.b_O'].map((name) => own(name, [dModel])),
  ...['attn.W_Q', 'attn.W_K', 'attn.W_V'].map((name) => own(name, [nHeads, dModel, dHead], headsLast)),
  ...['attn.b_Q', 'attn.b_K', 'attn.b_V'].map((name) => own(name, [nHeads, dHead], flat)),
  own('attn.W_O', [nHeads, dHead, dModel], (W) => W.reshape([nHeads * dHead, dModel])),
]

const mlpTensors = ({ dModel, dMlp, activation }: NeelConfig): TensorSpec[] => [
  ...['ln2.w', 'ln2.b', 'mlp.b_out'].map((name) => own(name, [dModel])),
  ...['mlp.b_in', ...(activation === 'solu_ln' ? ['mlp.ln.w', 'mlp.ln.b'] : [])].map((name) => own(name, [dMlp])),
  own('mlp.W_in', [dModel, dMlp], 'in,out'),
  own('mlp.W_out', [dMlp, dModel]),
]

function* tensors(_: TensorReader['infos'], c: NeelConfig): Generator<TensorSpec> {
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

export const neel: Architecture<NeelConfig> = {
  ...gpt2,
  modelType: 'neel',
  readConfig,
  traits: ({ attnOnly, activation }) => ({
    positions: 'learned',
    mlp: attnOnly ? 'none' : 'plain',
    attentionBiases: true,
    mlpNorm: activation === 'solu_ln',
  }),
  block,
  fused: layerNormBlock<NeelConfig>({
    scoreScale,
    isGeluNew: ({ activation }) => activation === 'gelu_new',
    hasMlp: ({ attnOnly }) => !attnOnly,
  }),
  tensors,
  ignoredTensors: /\.attn\.(mask|IGNORE)$/,
}
