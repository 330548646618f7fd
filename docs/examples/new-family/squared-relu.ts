/**
 * GPT-2 with a squared ReLU in its MLP (So et al. 2021, Primer, arXiv:2109.08668) and linear layers stored [out,in]. Its
 * embedding and its attention are GPT-2's (models/gpt2.ts).
 * Axes: B batch · P position · D d_model · M d_mlp
 */
import type * as tf from '@tensorflow/tfjs'
import { linear } from '../../../lib/ops/linear.js'
import type { Architecture, Block, TensorReader } from '../../../lib/transformer/architecture.js'
import { ConfigReader } from '../../../lib/transformer/config-reader.js'
import { causalFrame, sameFrame } from '../../../lib/transformer/frames.js'
import { layerNorm } from '../../../lib/transformer/norms.js'
import { transposed, type TensorSpec } from '../../../lib/weights/collect.js'
import { attention, embed, type Gpt2Config } from '../../../models/gpt2.js'

function readConfig(json: Readonly<Record<string, unknown>>): Gpt2Config {
  const read = new ConfigReader(json, 'config.json')
  const { dModel, nHeads, dHead } = read.heads('hidden_size', 'num_heads')
  read.oneOf('activation_function', ['relu2'])
  return {
    modelType: 'squared_relu',
    nLayers: read.size('num_layers'),
    dModel,
    nHeads,
    dHead,
    dMlp: read.size('intermediate_size', 4 * dModel),
    nCtx: read.size('max_position_embeddings'),
    dVocab: read.size('vocab_size'),
    normalization: 'LN',
    eps: read.positive('layer_norm_epsilon', 1e-5),
    scaleScores: true,
    scaleByInverseLayer: false,
  }
}

function block(own: Block<Gpt2Config>, residPre: tf.Tensor3D): tf.Tensor3D {
  const { at } = own
  const attnOut = at('hook_attn_out', () => attention(own, residPre)) // [B,P,D]
  const residMid = at('hook_resid_mid', residPre.add<tf.Tensor3D>(attnOut)) // [B,P,D]
  const mlpOut = at('hook_mlp_out', () => mlp(own, at('hook_mlp_in', residMid))) // [B,P,D]
  return residMid.add(mlpOut)
}

function mlp({ config, weights: w, at: atBlock }: Block<Gpt2Config>, x: tf.Tensor3D): tf.Tensor3D {
  const at = atBlock.under('mlp')
  const normed = layerNorm(x, { eps: config.eps, at: atBlock.under('ln2'), ...w.norm('ln2') })
  const pre = at('hook_pre', linear(normed, w.matrix('mlp.W_in'), w.get('mlp.b_in'))) // [B,P,M]
  const post = at('hook_post', pre.relu<tf.Tensor3D>().square<tf.Tensor3D>()) // [B,P,M]
  return linear(post, w.matrix('mlp.W_out'), w.get('mlp.b_out')) // [B,P,D]
}

// name in the checkpoint → ours, shape there; linear layers are stored [out,in]
const blockTensors = ({ dModel: D, dMlp: M }: Gpt2Config): TensorSpec[] => [
  ['norm_1.weight', 'ln1.w', [D]],
  ['norm_1.bias', 'ln1.b', [D]],
  ['attention.q.weight', 'attn.W_Q', [D, D], transposed],
  ['attention.k.weight', 'attn.W_K', [D, D], transposed],
  ['attention.v.weight', 'attn.W_V', [D, D], transposed],
  ['attention.out.weight', 'attn.W_O', [D, D], transposed],
  ['norm_2.weight', 'ln2.w', [D]],
  ['norm_2.bias', 'ln2.b', [D]],
  ['mlp.up.weight', 'mlp.W_in', [M, D], 'out,in'],
  ['mlp.up.bias', 'mlp.b_in', [M]],
  ['mlp.down.weight', 'mlp.W_out', [D, M], transposed],
  ['mlp.down.bias', 'mlp.b_out', [D]],
]

function* tensors(_infos: TensorReader['infos'], c: Gpt2Config): Generator<TensorSpec> {
  yield ['embed.weight', 'embed.W_E', [c.dVocab, c.dModel]]
  yield ['positions.weight', 'pos_embed.W_pos', [c.nCtx, c.dModel]]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors(c))
      yield [`layers.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
  }
  yield ['norm.weight', 'ln_final.w', [c.dModel]]
  yield ['norm.bias', 'ln_final.b', [c.dModel]]
  yield ['head.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed]
}

export const squaredRelu: Architecture<Gpt2Config> = {
  modelType: 'squared_relu',
  readConfig,
  traits: () => ({ positions: 'learned', mlp: 'plain', attentionBiases: true }),
  frames: (_, input) => sameFrame(causalFrame(input)),
  embed,
  block,
  tensors,
  ignoredTensors: /$^/,
}
