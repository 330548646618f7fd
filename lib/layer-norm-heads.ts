/**
 * What attention does alike in models with LayerNorm and a key and value for each head: queries, keys and values out of
 * the residual stream, and the way back into it. Scores, pattern and z stand in the model files.
 * Axes: B batch · P position · D d_model · H heads · K d_head
 */
import type * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from './architecture.js'
import type { At } from './hooks.js'
import { joinHeads, splitHeads } from './ops/attention.js'
import { layerNorm } from './ops/layer-norm.js'
import { linear, linearPerHead } from './ops/linear.js'
import { packedWeight } from './weights/packed.js'
import type { Weights } from './weights/weights.js'

const splitInputs = ['hook_attn_in', 'hook_q_input', 'hook_k_input', 'hook_v_input']

/** q, k and v [B,P,H,K] of x [B,P,D], the residual stream, through `ln1`. `at` is under the block's name. */
export function queriesKeysValues(w: Weights, c: ModelConfig, l: number, x: tf.Tensor3D, at: At): tf.Tensor4D[] {
  const norm = <T extends tf.Tensor>(input: T): T =>
    layerNorm(input, c.eps, at.under('ln1'), w.maybe(`blocks.${l}.ln1.w`), w.maybe(`blocks.${l}.ln1.b`))
  if (splitInputs.some((name) => at.wants(name))) return fromSplitInputs(w, c, l, x, at, norm)
  const qkv = linear(norm(x), w.matrix(`blocks.${l}.attn.W_QKV`), w.get(`blocks.${l}.attn.b_QKV`))
  return splitHeads(qkv, [c.nHeads, c.nHeads, c.nHeads])
}

/** The same where each head may be given an input of its own: three norms and a product for each head. */
function fromSplitInputs(
  w: Weights,
  c: ModelConfig,
  l: number,
  x: tf.Tensor3D,
  at: At,
  norm: (input: tf.Tensor4D) => tf.Tensor4D,
): tf.Tensor4D[] {
  const perHead = at('hook_attn_in', x.expandDims<tf.Tensor4D>(2).tile<tf.Tensor4D>([1, 1, c.nHeads, 1])) // [B,P,H,D]
  const letters = ['q', 'k', 'v']
  const inputs = letters.map((letter) => at(`hook_${letter}_input`, perHead)) // all three fire before the first norm
  return inputs.map((input, i) => {
    const letter = letters[i]!.toUpperCase()
    const W = packedWeight(w, c, `blocks.${l}.attn.W_${letter}`) as tf.Tensor3D
    return linearPerHead(norm(input), W, packedWeight(w, c, `blocks.${l}.attn.b_${letter}`) as tf.Tensor2D)
  })
}

/** z [B,P,H,K] · W_O + b_O → [B,P,D], head by head when `hook_result` is asked for. `at` is under `attn`. */
export function attentionOut(w: Weights, c: ModelConfig, l: number, z: tf.Tensor4D, at: At): tf.Tensor3D {
  const b_O = w.get(`blocks.${l}.attn.b_O`)
  if (!at.wants('hook_result')) return linear(joinHeads(z), w.matrix(`blocks.${l}.attn.W_O`), b_O) as tf.Tensor3D
  const W_O = w.get(`blocks.${l}.attn.W_O`).reshape<tf.Tensor3D>([c.nHeads, c.dHead, c.dModel])
  return at('hook_result', linearPerHead(z, W_O)).sum<tf.Tensor3D>(2).add(b_O) // [B,P,H,D] summed over heads
}
