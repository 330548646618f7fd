/**
 * Decoders of RMSNorm, rotary positions, shared key/value heads and gated MLPs, of which several families are made.
 * Axes: B batch · P position · D d_model · H heads · G key/value heads · K d_head · M d_mlp · V vocabulary
 */
import * as tf from '@tensorflow/tfjs'
import type { ForwardInput } from './architecture.js'
import type { DecoderConfig } from './decoder-config.js'
import type { At, HookPoint } from '../core/hooks.js'
import { joinPast } from './kv-cache.js'
import { activations } from '../ops/activations.js'
import { causalMask } from '../ops/attention.js'
import { gatedMlp, type GatedMlp } from '../ops/gated-mlp.js'
import { groupedAttention, type AttentionFrame, type GroupedAttention } from '../ops/grouped-attention.js'
import { rmsNorm } from '../ops/rms-norm.js'
import { rotaryTables } from '../ops/rotary.js'
import { unembed } from './unembed.js'
import { transposed, type Wanted } from '../weights/collect.js'
import { packedValues } from '../weights/packed.js'
import type { Anatomy, NamedTensors } from '../weights/process.js'
import { intoMlp, wantedIntoMlp } from '../weights/turned.js'
import type { Weights } from '../weights/weights.js'

// Points in firing order. The split inputs have a head axis, and so have ln1's points when one of them is asked for.
const plainPoints: HookPoint[] = [
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

/** Every hook point, for blocks with these. `hook_attn_in` is none where keys are shared. */
export function decoderPoints(c: DecoderConfig, blockPoints: readonly HookPoint[] = plainPoints): HookPoint[] {
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

/** Logits [B,P,V], or the residual stream [B,P,D] when stopped. */
export function decoderForward(w: Weights, c: DecoderConfig, input: ForwardInput, at: At): tf.Tensor3D {
  const { tokens, mask, past, from, stopAt = Infinity, columns } = input
  const positions = tokens.shape[1]
  const bias = causalMask(positions, { mask, past: past?.length })
  const rotary = rotaryTables(positions, { ...c.rotary, dimensions: c.dHead, mask, past: past?.length })
  let resid = from?.resid ?? at('hook_embed', embedded(w, tokens)) // [B,P,D]
  for (let l = from?.layer ?? 0; l < Math.min(c.nLayers, stopAt); l++) {
    const before = resid
    const join: AttentionFrame['join'] = past && ((fresh) => joinPast(past, l, fresh))
    const frame = { bias, rotary, padded: mask !== undefined, join }
    resid = tf.tidy(() => block(w, c, l, before, frame, at.under(`blocks.${l}`)))
  }
  if (stopAt <= c.nLayers) return resid
  const final = rmsNorm(resid, c.eps, at.under('ln_final'), w.maybe('ln_final.w'))
  return unembed(w, final, columns, at) // [B,P,V]
}

/** Rows of the embedding, times its factor where there is one: [B,P,D]. */
export function embedded(w: Weights, tokens: tf.Tensor2D): tf.Tensor3D {
  const rows = tf.gather(w.get('embed.W_E'), tokens) as tf.Tensor3D
  const scale = w.maybe('embed.scale')
  return scale ? rows.mul(scale) : rows
}

/** The points of attention and MLP stand in ops/grouped-attention.ts and ops/gated-mlp.ts. */
function block(w: Weights, c: DecoderConfig, l: number, x: tf.Tensor3D, frame: AttentionFrame, at: At): tf.Tensor3D {
  const residPre = at('hook_resid_pre', x) // [B,P,D]
  const attnOut = at('hook_attn_out', () => groupedAttention(residPre, layerAttention(w, c, l), frame, at))
  const residMid = at('hook_resid_mid', residPre.add<tf.Tensor3D>(attnOut))
  const mlpIn = at('hook_mlp_in', residMid)
  const mlpOut = at('hook_mlp_out', () => mlp(w, c, l, mlpIn, at))
  return at('hook_resid_post', residMid.add<tf.Tensor3D>(mlpOut))
}

function mlp(w: Weights, c: DecoderConfig, l: number, x: tf.Tensor3D, at: At): tf.Tensor3D {
  const normed = rmsNorm(x, c.eps, at.under('ln2'), w.maybe(`blocks.${l}.ln2.w`))
  return gatedMlp(normed, layerMlp(w, c, l), at.under('mlp'))
}

export function layerAttention(w: Weights, c: DecoderConfig, l: number): GroupedAttention {
  const name = `blocks.${l}.attn`
  return {
    ln: w.maybe(`blocks.${l}.ln1.w`),
    eps: c.eps,
    W_QKV: w.matrix(`${name}.W_QKV`),
    b_QKV: w.maybe(`${name}.b_QKV`),
    W_O: w.matrix(`${name}.W_O`),
    b_O: w.maybe(`${name}.b_O`),
    nHeads: c.nHeads,
    nKeyValueHeads: c.nKeyValueHeads,
    scale: 1 / Math.sqrt(c.dHead),
  }
}

export function layerMlp(w: Weights, c: DecoderConfig, l: number): GatedMlp {
  const matrix = (name: string) => w.matrix(`blocks.${l}.mlp.${name}`)
  const activation = activations[c.activation]
  return { W_gate: matrix('W_gate'), W_in: matrix('W_in'), W_out: matrix('W_out'), activation }
}

/** What processing rewrites. `valueBiases`: there are b_QKV and b_O. */
export function decoderAnatomy(c: DecoderConfig, has: { readonly valueBiases: boolean }): Anatomy {
  const layers = Array.from({ length: c.nLayers }, (_, l) => `blocks.${l}`)
  const W = c.tied ? 'unembed.scale' : 'unembed.W_U'
  const unembed = { W, b: 'unembed.b_U', ...(c.tied && { tiedTo: 'embed.W_E' }) }
  return {
    normalization: 'RMS',
    norms: [
      ...layers.map((b) => ({ weight: `${b}.ln1.w`, readers: [{ W: `${b}.attn.W_QKV` }] })),
      ...layers.map((b) => ({
        weight: `${b}.ln2.w`,
        readers: ['W_gate', 'W_in'].map((name) => ({ W: intoMlp(`${b}.mlp.${name}`) })),
      })),
      { weight: 'ln_final.w', readers: [unembed] },
    ],
    writers: [], // only LayerNorm models have them centred
    values: has.valueBiases ? packedValues(c.nLayers, c) : [],
    unembed,
    softCapped: c.finalSoftCap !== undefined,
  }
}

/** Matrices of a block by their names in a Hugging Face checkpoint: torch's Linear, [out,in]. */
export function blockMatrices(c: DecoderConfig): Wanted[] {
  const [queries, keys] = [c.nHeads * c.dHead, c.nKeyValueHeads * c.dHead]
  return [
    ['self_attn.q_proj.weight', 'attn.W_Q', [queries, c.dModel], transposed],
    ['self_attn.k_proj.weight', 'attn.W_K', [keys, c.dModel], transposed],
    ['self_attn.v_proj.weight', 'attn.W_V', [keys, c.dModel], transposed],
    ['self_attn.o_proj.weight', 'attn.W_O', [c.dModel, queries], transposed],
    wantedIntoMlp('mlp.gate_proj.weight', 'mlp.W_gate', [c.dMlp, c.dModel], 'out,in'),
    wantedIntoMlp('mlp.up_proj.weight', 'mlp.W_in', [c.dMlp, c.dModel], 'out,in'),
    ['mlp.down_proj.weight', 'mlp.W_out', [c.dModel, c.dMlp], transposed],
  ]
}

/** Name of the embedding in a Hugging Face checkpoint. */
export const EMBEDDING = 'model.embed_tokens.weight'

/**
 * All tensors of a checkpoint whose blocks hold these. One at a time, so that a config that claims a billion layers
 * fails at the first tensor that is not there. `norm`: what is made of the last norm.
 */
export function* decoderTensors(
  c: DecoderConfig,
  blockTensors: readonly Wanted[],
  norm?: Wanted[3],
): Generator<Wanted> {
  // the largest first: what making them takes beside themselves is free again when the rest comes
  if (!c.tied) yield ['lm_head.weight', 'unembed.W_U', [c.dVocab, c.dModel], transposed]
  yield [EMBEDDING, 'embed.W_E', [c.dVocab, c.dModel]]
  for (let l = 0; l < c.nLayers; l++) {
    for (const [theirs, ours, ...rest] of blockTensors) {
      yield [`model.layers.${l}.${theirs}`, `blocks.${l}.${ours}`, ...rest]
    }
  }
  yield ['model.norm.weight', 'ln_final.w', [c.dModel], norm]
}

/** What no checkpoint stores: a bias of zeros for the unembedding, and the scale of a tied one. */
export function completeDecoder(weights: NamedTensors, c: DecoderConfig): NamedTensors {
  if (c.tied) weights.set('unembed.scale', tf.ones([c.dModel, 1]))
  return weights.set('unembed.b_U', tf.zeros([c.dVocab]))
}

/** Names in a checkpoint that nothing is computed from: buffers of old releases, and the head where it is tied. */
export function decoderBallast(c: DecoderConfig): RegExp {
  return c.tied ? /rotary_emb\.inv_freq$|^lm_head\.weight$/ : /rotary_emb\.inv_freq$/
}
