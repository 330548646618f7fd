/**
 * Attention with rotary positions whose key and value heads may serve several query heads each, with its hook points.
 * Shazeer 2019, arXiv:1911.02150; Ainslie et al. 2023, arXiv:2305.13245.
 * Axes: B batch · P position · D d_model · H query heads · G key/value heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import type { KeysValues } from '../transformer/architecture.js'
import type { At } from '../core/hooks.js'
import { softCap } from './activations.js'
import { attentionScores, attentionSoftmax, joinHeads, mixValues, repeatHeads, splitHeads } from './attention.js'
import { linear, linearPerHead, type WeightMatrix } from './linear.js'
import { rmsNorm } from './rms-norm.js'
import { rotate, type RotaryTables } from './rotary.js'

/** One layer. */
export interface GroupedAttention {
  /** Weight [D] of the RMSNorm in front; undefined where it is folded. */
  readonly ln: tf.Tensor | undefined
  readonly eps: number
  /** [D,(H+2G)·K] */
  readonly W_QKV: WeightMatrix
  /** [(H+2G)·K] */
  readonly b_QKV?: tf.Tensor | undefined
  /** [H·K,D] */
  readonly W_O: WeightMatrix
  /** [D] */
  readonly b_O?: tf.Tensor | undefined
  readonly nHeads: number
  readonly nKeyValueHeads: number
  /** What q · k is multiplied by. */
  readonly scale: number
  /** The scaled scores go through cap · tanh(x / cap), before the mask. @default they do not */
  readonly softCap?: number | undefined
}

/** What the layers of one forward pass share. */
export interface AttentionFrame {
  /** Added to the scores: [1|B,1,P,past+P]. */
  readonly bias: tf.Tensor4D
  readonly padded: boolean
  readonly rotary: RotaryTables
  /** Puts keys (rotated) and values of earlier positions in front. */
  readonly join?: ((fresh: KeysValues) => KeysValues) | undefined
}

/** x [B,P,D], the residual stream, through `ln1` and attention → [B,P,D]. `atBlock` is under the block's name. */
export function groupedAttention(
  x: tf.Tensor3D,
  layer: GroupedAttention,
  frame: AttentionFrame,
  atBlock: At,
): tf.Tensor3D {
  const at = atBlock.under('attn')
  const split = splitInputs.some((name) => atBlock.wants(name))
  const heads = split ? queriesFromSplitInputs(x, layer, atBlock) : queries(x, layer, atBlock)
  const q = at('hook_q', heads[0]!) // [B,P,H,K]
  const newK = at('hook_k', heads[1]!) // [B,P,G,K]
  const newV = at('hook_v', heads[2]!)
  const rotQ = at('hook_rot_q', rotate(q, frame.rotary))
  const rotK = at('hook_rot_k', rotate(newK, frame.rotary))
  const { k, v } = frame.join?.({ k: rotK, v: newV }) ?? { k: rotK, v: newV }
  const times = layer.nHeads / layer.nKeyValueHeads
  const products = attentionScores(rotQ, repeatHeads(k, times), layer.scale)
  const capped = layer.softCap === undefined ? products : softCap(products, layer.softCap)
  const scores = at('hook_attn_scores', capped.add<tf.Tensor4D>(frame.bias)) // [B,H,P,P]
  const pattern = at('hook_pattern', attentionSoftmax(scores, frame.padded)) // [B,H,P,P]
  const z = at('hook_z', mixValues(pattern, repeatHeads(v, times))) // [B,P,H,K]
  if (!at.wants('hook_result')) return linear(joinHeads(z), layer.W_O, layer.b_O) as tf.Tensor3D // [B,P,D]
  const W_O = layer.W_O.value.reshape<tf.Tensor3D>([layer.nHeads, q.shape[3], -1])
  const sum = at('hook_result', linearPerHead(z, W_O)).sum<tf.Tensor3D>(2) // [B,P,H,D] summed over heads
  return layer.b_O ? sum.add(layer.b_O) : sum
}

/** q [B,P,H,K], k and v [B,P,G,K] from one normed input. */
function queries(x: tf.Tensor3D, layer: GroupedAttention, at: At): tf.Tensor4D[] {
  const { nHeads, nKeyValueHeads, W_QKV, b_QKV } = layer
  const qkv = linear(rmsNorm(x, layer.eps, at.under('ln1'), layer.ln), W_QKV, b_QKV)
  return splitHeads(qkv, [nHeads, nKeyValueHeads, nKeyValueHeads])
}

const splitInputs = ['hook_attn_in', 'hook_q_input', 'hook_k_input', 'hook_v_input']

/** The same where each head may be given an input of its own: three norms and a product for each head. */
function queriesFromSplitInputs(x: tf.Tensor3D, layer: GroupedAttention, at: At): tf.Tensor4D[] {
  const { nHeads, nKeyValueHeads, W_QKV, b_QKV, eps, ln } = layer
  const spread = (heads: number) => x.expandDims<tf.Tensor4D>(2).tile<tf.Tensor4D>([1, 1, heads, 1])
  // an input of both queries and keys has as many heads as both: there is none when keys are shared
  const common = nHeads === nKeyValueHeads ? at('hook_attn_in', spread(nHeads)) : undefined // [B,P,H,D]
  const counts = [nHeads, nKeyValueHeads, nKeyValueHeads]
  // all three fire before the first norm: [B,P,H,D], then twice [B,P,G,D]
  const inputs = counts.map((heads, i) => at(splitInputs[i + 1]!, common ?? spread(heads)))
  const W = tf.split(W_QKV.value, widthsOf(layer), 1)
  const b = b_QKV && tf.split(b_QKV, widthsOf(layer), 0)
  return inputs.map((input, i) => {
    const normed = rmsNorm(input, eps, at.under('ln1'), ln)
    const byHead = W[i]!.reshape<tf.Tensor3D>([x.shape[2], counts[i]!, -1]).transpose<tf.Tensor3D>([1, 0, 2]) // [H|G,D,K]
    return linearPerHead(normed, byHead, b?.[i]!.reshape<tf.Tensor2D>([counts[i]!, -1]))
  })
}

/** Columns of q, k and v in W_QKV. */
function widthsOf({ nHeads, nKeyValueHeads, W_QKV }: GroupedAttention): number[] {
  const size = W_QKV.value.shape[1] / (nHeads + 2 * nKeyValueHeads)
  return [nHeads * size, nKeyValueHeads * size, nKeyValueHeads * size]
}
