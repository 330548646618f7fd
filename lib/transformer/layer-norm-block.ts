/** A whole block of a model with LayerNorm as one computation: on the native backend one graph, of those of its parts. */
import * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from './architecture.js'
import type { At } from '../core/hooks.js'
import { joinForms } from './kv-cache.js'
import { attendedRows, normedHeads, normIsSeen, type AttentionOptions, type Block } from './layer-norm-attention.js'
import { mlpRows } from './layer-norm-mlp.js'
import { attendForms, isLarge } from '../ops/attention.js'
import { geluNew } from '../ops/gelu.js'
import { likeForms, rowForms, rowsOf } from '../ops/linear.js'
import { composed, compute, isTaped, type Forms } from '../ops/custom-gradient.js'
import { rotateForms } from '../ops/rotary.js'

const matrices = ['attn.W_QKV', 'attn.W_O', 'mlp.W_in', 'mlp.W_out']
const biases = ['attn.b_QKV', 'attn.b_O', 'mlp.b_in', 'mlp.b_out']

/** What a block is beside its attention. */
export interface Wiring {
  readonly activate: (pre: tf.Tensor, at: At) => tf.Tensor
  /** The MLP reads what attention reads. @default what attention has written to */
  readonly parallel?: boolean
}

/**
 * The residual stream behind the block [B,P,D] of that in front of it, where nobody watches any of it, no gradient is
 * taken, its norms are folded and its activation is `gelu_new`; undefined otherwise.
 */
export function quietBlock(
  block: Block,
  x: tf.Tensor3D,
  { past, rotary, bias, scale, padded }: AttentionOptions,
  { activate, parallel = false }: Wiring,
): tf.Tensor3D | undefined {
  const { w, c, l, at } = block
  const folded = !normIsSeen(block, 'ln1') && !normIsSeen(block, 'ln2')
  if (!folded || activate !== geluNew || isTaped() || past?.endsPass || !at.isQuiet()) return undefined
  const named = (name: string) => `blocks.${l}.${name}`
  const earlier = past?.earlier(l)
  const factors = matrices.map((name) => w.matrix(named(name)).factor(rowsOf(x)))
  const [batch, positions] = x.shape
  const keys = batch * (positions + (past?.length ?? 0)) * c.nHeads * c.dHead
  const form = blockForms(c, {
    products: factors.map((factor) => factor.form),
    attended: attendForms(scale, padded, isLarge(keys, positions)),
    rotated: rotary && rotateForms(c.dHead, rotary),
    joins: earlier !== undefined,
    parallel,
  })
  const tensors = [...factors.map((factor) => factor.tensor), ...biases.map((name) => w.get(named(name)))]
  const further = [...(rotary ? [rotary.cos, rotary.sin] : []), ...(earlier ? [earlier.k, earlier.v] : [])]
  const [out, k, v, ...between] = compute(form, [x, bias, ...tensors, ...further])
  past?.keep(l, { k: k as tf.Tensor4D, v: v as tf.Tensor4D })
  tf.dispose([k!, v!, ...between])
  return out as tf.Tensor3D
}

interface Parts {
  /** By W_QKV, W_O, W_in and W_out. */
  readonly products: readonly Forms[]
  readonly attended: Forms
  readonly rotated: Forms | undefined
  /** Whether keys and values of earlier positions are put in front. */
  readonly joins: boolean
  readonly parallel: boolean
}

/** Of x, the bias of the scores, matrices, biases (, the rotary tables)(, earlier keys and values): what goes on, keys, values. */
function blockForms(c: ModelConfig, { products, attended, rotated, joins, parallel }: Parts): Forms {
  const [byQkv, byO, byIn, byOut] = products as [Forms, Forms, Forms, Forms]
  const parts = [...products, attended, ...(rotated ? [rotated] : [])].map(({ key }) => key)
  const key = `block ${c.eps} ${c.dModel} ${c.nHeads} ${c.dHead} ${joins} ${parallel} ${parts.join()}`
  return composed(key, (run, [x, bias, W_QKV, W_O, W_in, W_out, b_QKV, b_O, b_in, b_out, ...further]) => {
    const tables = further.splice(0, rotated ? 2 : 0)
    const [rows] = run(rowForms(c.dModel), x!)
    const heads = normedHeads(run, c, byQkv, rows!, [W_QKV!, b_QKV!], x!)
    const [q, newK] = rotated ? heads.slice(0, 2).map((part) => run(rotated, part, ...tables)[0]!) : heads
    const newV = heads[2]!
    const [k, v] = joins ? run(joinForms, further[0]!, newK!, further[1]!, newV) : [newK!, newV]
    const [mid] = attendedRows(run, c, attended, byO, [q!, k!, v!, bias!], [W_O!, b_O!, rows!])
    const [out] = mlpRows(run, c, byIn, byOut, parallel ? rows! : mid!, [W_in!, b_in!, W_out!, b_out!, mid!])
    return [...run(likeForms, out!, x!), k!, v!]
  })
}
