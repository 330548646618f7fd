/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971; Llama 3 herd of models, arXiv:2407.21783), of which SmolLM and TinyLlama
 * are.
 * Axes: B batch · P position · D d_model · H heads · G key/value heads · K d_head · M d_mlp · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import type { Architecture, ForwardInput, TensorReader } from '../lib/architecture.js'
import { ConfigReader } from '../lib/config-reader.js'
import { readDecoder, refuseFlags, type DecoderConfig } from '../lib/decoder-config.js'
import type { At, HookPoint } from '../lib/hooks.js'
import { activations } from '../lib/ops/activations.js'
import { causalMask } from '../lib/ops/attention.js'
import { gatedMlp } from '../lib/ops/gated-mlp.js'
import { groupedAttention, type AttentionFrame } from '../lib/ops/grouped-attention.js'
import { linear } from '../lib/ops/linear.js'
import { rmsNorm } from '../lib/ops/rms-norm.js'
import { rotaryTables } from '../lib/ops/rotary.js'
import { collectTensors, transposed, type Wanted } from '../lib/weights/collect.js'
import { packedWeight, packQueries } from '../lib/weights/packed.js'
import { rmsNormDependsOn, type Anatomy, type NamedTensors } from '../lib/weights/process.js'
import type { Weights } from '../lib/weights/weights.js'

export type LlamaConfig = DecoderConfig

function readConfig(json: Record<string, unknown>): LlamaConfig {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['attention_bias', 'mlp_bias'])
  return { modelType: 'llama', ...readDecoder(read, 'hidden_act', false) }
}

// Points in firing order. The split inputs have a head axis, and so have ln1's points when one of them is asked for.
const blockPoints: HookPoint[] = [
  { name: 'hook_resid_pre', shape: '[B,P,D]' },
  { name: 'hook_attn_in', shape: '[B,P,H,D]', onRequest: true }, // not where keys are shared
  { name: 'hook_q_input', shape: '[B,P,H,D]', onRequest: true },
  { name: 'hook_k_input', shape: '[B,P,G,D]', onRequest: true },
  { name: 'hook_v_input', shape: '[B,P,G,D]', onRequest: true },
  { name: 'ln1.hook_scale', shape: '[B,P,1]' },
  { name: 'ln1.hook_normalized', shape: '[B,P,D]' },
  { name: 'attn.hook_q', shape: '[B,P,H,K]' },
  { name: 'attn.hook_k', shape: '[B,P,G,K]' },
  { name: 'attn.hook_v', shape: '[B,P,G,K]' },
  { name: 'attn.hook_rot_q', shape: '[B,P,H,K]' },
  { name: 'attn.hook_rot_k', shape: '[B,P,G,K]' },
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
  { name: 'mlp.hook_pre_linear', shape: '[B,P,M]' },
  { name: 'mlp.hook_post', shape: '[B,P,M]' },
  { name: 'hook_mlp_out', shape: '[B,P,D]' },
  { name: 'hook_resid_post', shape: '[B,P,D]' },
]

function hookPoints(c: LlamaConfig): HookPoint[] {
  const points = blockPoints.filter((p) => p.name !== 'hook_attn_in' || c.nKeyValueHeads === c.nHeads)
  const layers = Array.from({ length: c.nLayers }, (_, l) =>
    points.map((p) => ({ ...p, name: `blocks.${l}.${p.name}` })),
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

function forward(w: Weights, c: LlamaConfig, input: ForwardInput, at: At): tf.Tensor3D {
  const { tokens, mask, past, from, stopAt = Infinity } = input
  const positions = tokens.shape[1]
  const bias = causalMask(positions, { mask, past: past?.length })
  const rotary = rotaryTables(positions, { ...c.rotary, dimensions: c.dHead, mask, past: past?.length })
  const frame = { bias, padded: mask !== undefined, rotary }
  let resid = from?.resid ?? at('hook_embed', tf.gather(w.get('embed.W_E'), tokens) as tf.Tensor3D) // [B,P,D]
  for (let l = from?.layer ?? 0; l < Math.min(c.nLayers, stopAt); l++) {
    const before = resid
    const join: AttentionFrame['join'] = past && ((k, v) => past.join(l, k, v))
    resid = tf.tidy(() => block(w, c, l, before, { ...frame, join }, at.under(`blocks.${l}`)))
  }
  if (stopAt <= c.nLayers) return resid
  const final = rmsNorm(resid, c.eps, at.under('ln_final'), w.maybe('ln_final.w'))
  const logits = linear(at('unembed.hook_in', final), w.matrix('unembed.W_U'), w.get('unembed.b_U')) as tf.Tensor3D
  return at('unembed.hook_out', logits) // [B,P,V]
}

/** The points of attention and MLP stand in lib/ops/grouped-attention.ts and gated-mlp.ts. */
function block(w: Weights, c: LlamaConfig, l: number, x: tf.Tensor3D, frame: AttentionFrame, at: At): tf.Tensor3D {
  const residPre = at('hook_resid_pre', x) // [B,P,D]
  const attnOut = at('hook_attn_out', groupedAttention(residPre, attentionOf(w, c, l), frame, at))
  const residMid = at('hook_resid_mid', residPre.add<tf.Tensor3D>(attnOut))
  const mlpIn = at('hook_mlp_in', residMid)
  const normed = rmsNorm(mlpIn, c.eps, at.under('ln2'), w.maybe(`blocks.${l}.ln2.w`))
  const mlpOut = at('hook_mlp_out', gatedMlp(normed, mlpOf(w, c, l), at.under('mlp')))
  return at('hook_resid_post', residMid.add<tf.Tensor3D>(mlpOut))
}

function attentionOf(w: Weights, c: LlamaConfig, l: number) {
  return {
    ...{ nHeads: c.nHeads, nKeyValueHeads: c.nKeyValueHeads, scale: 1 / Math.sqrt(c.dHead), eps: c.eps },
    ln: w.maybe(`blocks.${l}.ln1.w`),
    W_QKV: w.matrix(`blocks.${l}.attn.W_QKV`),
    W_O: w.matrix(`blocks.${l}.attn.W_O`),
  }
}

function mlpOf(w: Weights, c: LlamaConfig, l: number) {
  const matrix = (name: string) => w.matrix(`blocks.${l}.mlp.${name}`)
  return {
    W_gate: matrix('W_gate'),
    W_in: matrix('W_in'),
    W_out: matrix('W_out'),
    activation: activations[c.activation],
  }
}

function anatomy(c: LlamaConfig): Anatomy {
  const layers = Array.from({ length: c.nLayers }, (_, l) => `blocks.${l}`)
  const unembed = { W: 'unembed.W_U', b: 'unembed.b_U' }
  return {
    normalization: 'RMS',
    norms: [
      ...layers.map((b) => ({ weight: `${b}.ln1.w`, readers: [{ W: `${b}.attn.W_QKV` }] })),
      ...layers.map((b) => ({ weight: `${b}.ln2.w`, readers: [{ W: `${b}.mlp.W_gate` }, { W: `${b}.mlp.W_in` }] })),
      { weight: 'ln_final.w', readers: [unembed] },
    ],
    writers: [],
    values: [],
    unembed,
  }
}

// Hugging Face name → ours. Matrices are torch's Linear, [out,in].
const blockTensors = (c: LlamaConfig): Wanted[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel]],
  ['self_attn.q_proj.weight', 'attn.W_Q', [c.nHeads * c.dHead, c.dModel], transposed],
  ['self_attn.k_proj.weight', 'attn.W_K', [c.nKeyValueHeads * c.dHead, c.dModel], transposed],
  ['self_attn.v_proj.weight', 'attn.W_V', [c.nKeyValueHeads * c.dHead, c.dModel], transposed],
  ['self_attn.o_proj.weight', 'attn.W_O', [c.dModel, c.nHeads * c.dHead], transposed],
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel]],
  ['mlp.gate_proj.weight', 'mlp.W_gate', [c.dMlp, c.dModel], transposed],
  ['mlp.up_proj.weight', 'mlp.W_in', [c.dMlp, c.dModel], transposed],
  ['mlp.down_proj.weight', 'mlp.W_out', [c.dModel, c.dMlp], transposed],
]

/** One at a time, so that a config that claims a billion layers fails at the first tensor that is not there. */
function* wantedTensors(c: LlamaConfig): Generator<Wanted> {
  yield ['model.embed_tokens.weight', 'embed.W_E', [c.dVocab, c.dModel]]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors(c)) {
      yield [`model.layers.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
    }
  }
  yield ['model.norm.weight', 'ln_final.w', [c.dModel]]
  yield [c.tied ? 'model.embed_tokens.weight' : 'lm_head.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed]
}

async function fromHuggingFace(
  reader: TensorReader,
  c: LlamaConfig,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const ballast = c.tied ? /rotary_emb\.inv_freq$|^lm_head\.weight$/ : /rotary_emb\.inv_freq$/
  const weights = await collectTensors(reader, wantedTensors(c), ballast, progress)
  packQueries(weights, c.nLayers)
  return weights.set('unembed.b_U', tf.zeros([c.dVocab]))
}

export const llama: Architecture<LlamaConfig> = {
  modelType: 'llama',
  readConfig,
  hookPoints,
  forward,
  fromHuggingFace,
  anatomy,
  dependsOn: (flag, hook) => rmsNormDependsOn(flag, hook, { valueBiases: false }),
  weight: packedWeight,
}
