/**
 * Attention of models with LayerNorm and a key and value for each head, with its hook points: out of the residual stream
 * and back into it.
 * Axes: B batch · P position · D d_model · H heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import type { ModelConfig, Past } from './architecture.js'
import type { At } from '../core/hooks.js'
import { joinPast } from './kv-cache.js'
import {
  attend,
  attendForms,
  isLarge,
  isUnseen,
  joinHeads,
  splitForms,
  splitHeads,
  type AttendOptions,
} from '../ops/attention.js'
import { isWatched, layerNorm, normForms } from '../ops/layer-norm.js'
import { likeForms, linear, linearPerHead, plus, rowForms, rowsOf } from '../ops/linear.js'
import { composed, compute, computeFirst, isTaped, type Forms, type Run } from '../ops/custom-gradient.js'
import { rotate, type RotaryTables } from '../ops/rotary.js'
import { packedWeight } from '../weights/packed.js'
import type { Weights } from '../weights/weights.js'

const splitInputs = ['hook_attn_in', 'hook_q_input', 'hook_k_input', 'hook_v_input']

/** Block l in one forward pass. `at` is under its name. */
export interface Block {
  readonly w: Weights
  readonly c: ModelConfig
  readonly l: number
  readonly at: At
}

/** What attention is told beside its block and its input. */
export interface AttentionOptions extends AttendOptions {
  /** Keys (rotated) and values of earlier positions. */
  readonly past: Past | undefined
  /** @default queries and keys are not rotated, and have no points for it */
  readonly rotary?: RotaryTables
}

/** x [B,P,D], the residual stream, through `ln1` and attention (+ onto) → [B,P,D]. */
export function layerNormAttention(
  block: Block,
  x: tf.Tensor3D,
  { past, rotary, ...options }: AttentionOptions,
  onto?: tf.Tensor3D,
): tf.Tensor3D {
  const at = block.at.under('attn')
  const fresh = queriesKeysValues(block, x)
  const plainQ = at('hook_q', fresh[0]!) // [B,P,H,K]
  const plainK = at('hook_k', fresh[1]!)
  const newV = at('hook_v', fresh[2]!)
  const q = rotary ? at('hook_rot_q', rotate(plainQ, rotary)) : plainQ
  const newK = rotary ? at('hook_rot_k', rotate(plainK, rotary)) : plainK
  const { k, v } = joinPast(past, block.l, { k: newK, v: newV })
  return attentionOut(block, { q, k, v }, options, at, onto)
}

/** q, k and v [B,P,H,K] of x [B,P,D], the residual stream, through `ln1`. */
function queriesKeysValues(block: Block, x: tf.Tensor3D): tf.Tensor4D[] {
  const { w, c, l, at } = block
  const norm = <T extends tf.Tensor>(input: T): T =>
    layerNorm(input, c.eps, at.under('ln1'), w.maybe(`blocks.${l}.ln1.w`), w.maybe(`blocks.${l}.ln1.b`))
  if (splitInputs.some((name) => at.wants(name))) return fromSplitInputs(block, x, norm)
  const [W, b] = [w.matrix(`blocks.${l}.attn.W_QKV`), w.get(`blocks.${l}.attn.b_QKV`)]
  if (isTaped() || normIsSeen(block, 'ln1')) {
    return splitHeads(linear(norm(x), W, b), [c.nHeads, c.nHeads, c.nHeads])
  }
  const { form, tensor } = W.factor(rowsOf(x))
  const [q, k, v, ...others] = compute(headsForms(c, form), [x, tensor, b])
  tf.dispose(others)
  return [q, k, v] as tf.Tensor4D[]
}

/** Whether a norm is more than a division: with points that are listened to, or a weight and a bias of its own. */
export function normIsSeen({ w, l, at }: Block, name: string): boolean {
  return w.maybe(`blocks.${l}.${name}.w`) !== undefined || isWatched(at.under(name))
}

/** Of x, W_QKV and b_QKV: q, k and v. */
const headsForms = (c: ModelConfig, product: Forms): Forms =>
  composed(`normed heads ${c.eps} ${c.nHeads} ${c.dHead} ${product.key}`, (run, [x, W, b]) => {
    const [rows] = run(rowForms(c.dModel), x!)
    return normedHeads(run, c, product, rows!, [W!, b!], x!)
  })

/** q, k and v [B,P,H,K] of rows of the residual stream, which lies as x. */
export function normedHeads<V>(run: Run<V>, c: ModelConfig, product: Forms, rows: V, weights: V[], x: V): V[] {
  const [normed] = run(normForms(true, c.eps), rows)
  const [qkv] = run(product, normed!, ...weights)
  return run(splitForms([c.nHeads, c.nHeads, c.nHeads], c.dHead), qkv!, x)
}

/** The same where each head may be given an input of its own: three norms and a product for each head. */
function fromSplitInputs(
  { w, c, l, at }: Block,
  x: tf.Tensor3D,
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

/** What attention mixes: q [B,P,H,K], k and v [B,N,H,K]. */
interface Heads {
  readonly q: tf.Tensor4D
  readonly k: tf.Tensor4D
  readonly v: tf.Tensor4D
}

/** z [B,P,H,K] · W_O + b_O (+ onto) → [B,P,D], head by head when `hook_result` is asked for. `at` is under `attn`. */
function attentionOut(
  { w, c, l }: Block,
  { q, k, v }: Heads,
  options: AttendOptions,
  at: At,
  onto: tf.Tensor3D | undefined,
): tf.Tensor3D {
  const [W, b] = [w.matrix(`blocks.${l}.attn.W_O`), w.get(`blocks.${l}.attn.b_O`)]
  if (onto && isUnseen(at) && !at.wants('hook_z') && !at.wants('hook_result')) {
    const { form, tensor } = W.factor(rowsOf(onto))
    const attended = attendForms(options.scale, options.padded, isLarge(k.size, q.shape[1]))
    return computeFirst(outForms(c, attended, form), [q, k, v, options.bias, tensor, b, onto]) as tf.Tensor3D
  }
  const z = at('hook_z', attend(q, k, v, options, at)) // [B,P,H,K]
  if (!at.wants('hook_result')) return plus(linear(joinHeads(z), W, b) as tf.Tensor3D, onto)
  const W_O = W.value.reshape<tf.Tensor3D>([c.nHeads, c.dHead, c.dModel])
  return plus(at('hook_result', linearPerHead(z, W_O)).sum<tf.Tensor3D>(2).add(b), onto) // [B,P,H,D] summed over heads
}

/** Of q, k, v, the bias of the scores, W_O, b_O and what is added to: [B,P,D]. */
const outForms = (c: ModelConfig, attended: Forms, product: Forms): Forms =>
  composed(`${attended.key}, out by ${product.key} ${c.nHeads} ${c.dHead} ${c.dModel}`, (run, inputs) => {
    const [q, k, v, bias, W, b, onto] = inputs
    const [rows] = run(rowForms(c.dModel), onto!)
    const [out] = attendedRows(run, c, attended, product, [q!, k!, v!, bias!], [W!, b!, rows!])
    return run(likeForms, out!, onto!)
  })

/** Rows of the residual stream with what attention writes added; `onto` is W_O, b_O and the rows. */
export function attendedRows<V>(
  run: Run<V>,
  c: ModelConfig,
  attended: Forms,
  product: Forms,
  heads: V[],
  onto: V[],
): V[] {
  const [z] = run(attended, ...heads)
  const [rows] = run(rowForms(c.nHeads * c.dHead), z!)
  return run(product, rows!, ...onto)
}

/**
 * x with what `write` makes of it at a point added: onto x at once, which is faster, where nobody sees the point.
 * `write` is given what to add to, or nothing.
 */
export function written(name: string, x: tf.Tensor3D, write: (onto?: tf.Tensor3D) => tf.Tensor3D, at: At): tf.Tensor3D {
  return isTaped() || at.isSeen(name) ? x.add(at(name, () => write())) : write(x)
}
