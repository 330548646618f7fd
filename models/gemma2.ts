/**
 * Gemma 2 (Gemma team 2024, arXiv:2408.00118): beside what Gemma does, a norm behind attention and MLP too, attention
 * over a window in every other layer, soft-caps on scores and logits, and a query scale of its own. The first layer is a
 * local one, as in Hugging Face; TransformerLens 2 starts with a global one.
 * Axes: B batch · P position · D d_model · H heads · G key/value heads · K d_head · M d_mlp · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import type { Architecture, ForwardInput, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { readDecoder, refuseFlags, type DecoderConfig } from '../lib/transformer/decoder-config.js'
import {
  blockMatrices,
  decoderAnatomy,
  completeDecoder,
  decoderBallast,
  decoderPoints,
  decoderTensors,
  EMBEDDING,
  embedded,
  layerAttention,
  layerMlp,
} from '../lib/transformer/decoder.js'
import { ConfigError } from '../lib/errors/errors.js'
import type { At, HookPoint } from '../lib/core/hooks.js'
import { joinPast } from '../lib/transformer/kv-cache.js'
import { activationNames, softCap } from '../lib/ops/activations.js'
import { causalMask } from '../lib/ops/attention.js'
import { gatedMlp } from '../lib/ops/gated-mlp.js'
import { groupedAttention, type AttentionFrame } from '../lib/ops/grouped-attention.js'
import { rmsNorm } from '../lib/ops/rms-norm.js'
import { rotaryTables } from '../lib/ops/rotary.js'
import { unembed } from '../lib/transformer/unembed.js'
import { collectTensors, onePlus, type Wanted } from '../lib/weights/collect.js'
import { roundedTo } from '../lib/weights/formats/dtypes.js'
import { packedWeight, packQueries } from '../lib/weights/packed.js'
import { rmsNormDependsOn, type NamedTensors } from '../lib/weights/process.js'
import type { Weights } from '../lib/weights/weights.js'

export interface Gemma2Config extends DecoderConfig {
  /** Whether a layer's attention is local: over the last `window` positions, the query's own included. */
  readonly local: readonly boolean[]
  readonly window: number
  /** q · k is divided by its root (`query_pre_attn_scalar`). */
  readonly queryScalar: number
  /** Soft-cap of the scores; undefined for none. */
  readonly scoresSoftCap: number | undefined
}

function readConfig(json: Record<string, unknown>): Gemma2Config {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['attention_bias', 'use_bidirectional_attention'])
  const activation = read.oneOf('hidden_activation', activationNames, 'gelu_pytorch_tanh')
  const decoder = readDecoder(read, { activation, tied: true })
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
function readLocalLayers(read: ConfigReader, json: Record<string, unknown>, nLayers: number): boolean[] {
  if (!read.has('layer_types')) return Array.from({ length: nLayers }, (_, l) => l % 2 === 0)
  const types = json['layer_types']
  const known = ['sliding_attention', 'full_attention']
  if (Array.isArray(types) && types.length === nLayers && types.every((type) => known.includes(type as string)))
    return types.map((type) => type === known[0])
  throw new ConfigError(
    `config.json: layer_types is ${JSON.stringify(types)?.slice(0, 80)}. It must hold '${known.join("' or '")}' for each of ${nLayers} layers.`,
  )
}

// Points in firing order. The split inputs have a head axis, and so have ln1's points when one of them is asked for.
const blockPoints: HookPoint[] = [
  { name: 'hook_resid_pre', shape: '[B,P,D]' },
  { name: 'hook_attn_in', shape: '[B,P,H,D]', onRequest: true },
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
  { name: 'ln1_post.hook_scale', shape: '[B,P,1]' },
  { name: 'ln1_post.hook_normalized', shape: '[B,P,D]' },
  { name: 'hook_attn_out', shape: '[B,P,D]' },
  { name: 'hook_resid_mid', shape: '[B,P,D]' },
  { name: 'hook_mlp_in', shape: '[B,P,D]', onRequest: true },
  { name: 'ln2.hook_scale', shape: '[B,P,1]' },
  { name: 'ln2.hook_normalized', shape: '[B,P,D]' },
  { name: 'mlp.hook_pre', shape: '[B,P,M]' },
  { name: 'mlp.hook_pre_linear', shape: '[B,P,M]' },
  { name: 'mlp.hook_post', shape: '[B,P,M]' },
  { name: 'ln2_post.hook_scale', shape: '[B,P,1]' },
  { name: 'ln2_post.hook_normalized', shape: '[B,P,D]' },
  { name: 'hook_mlp_out', shape: '[B,P,D]' },
  { name: 'hook_resid_post', shape: '[B,P,D]' },
]

function forward(w: Weights, c: Gemma2Config, input: ForwardInput, at: At): tf.Tensor3D {
  const { tokens, mask, past, from, stopAt = Infinity, columns } = input
  const positions = tokens.shape[1]
  const global = causalMask(positions, { mask, past: past?.length })
  const local = causalMask(positions, { mask, past: past?.length, window: c.window })
  const rotary = rotaryTables(positions, { ...c.rotary, dimensions: c.dHead, mask, past: past?.length })
  let resid = from?.resid ?? at('hook_embed', embedded(w, tokens)) // [B,P,D]
  for (let l = from?.layer ?? 0; l < Math.min(c.nLayers, stopAt); l++) {
    const before = resid
    const bias = c.local[l] ? local : global
    const join: AttentionFrame['join'] = past && ((fresh) => joinPast(past, l, fresh))
    const frame = { bias, rotary, padded: mask !== undefined, join }
    resid = tf.tidy(() => block(w, c, l, before, frame, at.under(`blocks.${l}`)))
  }
  if (stopAt <= c.nLayers) return resid
  const final = rmsNorm(resid, c.eps, at.under('ln_final'), w.maybe('ln_final.w'))
  const logits = unembed(w, final, columns, at) // [B,P,V]
  return c.finalSoftCap === undefined ? logits : softCap(logits, c.finalSoftCap)
}

/** The points of attention and MLP stand in lib/ops/grouped-attention.ts and gated-mlp.ts. */
function block(w: Weights, c: Gemma2Config, l: number, x: tf.Tensor3D, frame: AttentionFrame, at: At): tf.Tensor3D {
  const residPre = at('hook_resid_pre', x) // [B,P,D]
  const scale = 1 / Math.sqrt(c.queryScalar)
  const layer = { ...layerAttention(w, c, l), scale, softCap: c.scoresSoftCap }
  const attention = () => groupedAttention(residPre, layer, frame, at)
  const postNorm = (x: tf.Tensor3D, name: string) => rmsNorm(x, c.eps, at.under(name), w.get(`blocks.${l}.${name}.w`))
  const attnOut = at('hook_attn_out', () => postNorm(attention(), 'ln1_post'))
  const residMid = at('hook_resid_mid', residPre.add<tf.Tensor3D>(attnOut))
  const mlpIn = at('hook_mlp_in', residMid)
  const mlpOut = at('hook_mlp_out', () => postNorm(mlp(w, c, l, mlpIn, at), 'ln2_post'))
  return at('hook_resid_post', residMid.add<tf.Tensor3D>(mlpOut))
}

function mlp(w: Weights, c: Gemma2Config, l: number, x: tf.Tensor3D, at: At): tf.Tensor3D {
  const normed = rmsNorm(x, c.eps, at.under('ln2'), w.maybe(`blocks.${l}.ln2.w`))
  return gatedMlp(normed, layerMlp(w, c, l), at.under('mlp'))
}

// Hugging Face name → ours. The second norm of attention and MLP is never folded: nothing linear reads it alone.
const blockTensors = (c: Gemma2Config): Wanted[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel], onePlus],
  ['post_attention_layernorm.weight', 'ln1_post.w', [c.dModel], onePlus],
  ['pre_feedforward_layernorm.weight', 'ln2.w', [c.dModel], onePlus],
  ['post_feedforward_layernorm.weight', 'ln2_post.w', [c.dModel], onePlus],
  ...blockMatrices(c),
]

/** √D in the checkpoint's number type, in which the model was trained; the unembedding has no such factor. */
function embeddingScale({ infos }: TensorReader, c: Gemma2Config): number {
  return roundedTo(infos.get(EMBEDDING)?.dtype ?? 'F32', Math.sqrt(c.dModel))
}

async function fromHuggingFace(
  reader: TensorReader,
  c: Gemma2Config,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const weights = await collectTensors(reader, decoderTensors(c, blockTensors(c), onePlus), decoderBallast(c), progress)
  packQueries(weights, c.nLayers)
  weights.set('embed.scale', tf.scalar(embeddingScale(reader, c)))
  return completeDecoder(weights, c)
}

export const gemma2: Architecture<Gemma2Config> = {
  modelType: 'gemma2',
  readConfig,
  hookPoints: (c) => decoderPoints(c, blockPoints),
  forward,
  fromHuggingFace,
  anatomy: (c) => decoderAnatomy(c, { valueBiases: false }),
  dependsOn: (flag, hook) => rmsNormDependsOn(flag, hook, { valueBiases: false }),
  weight: packedWeight,
}
