/**
 * How attention's weights are stored, side by side as they are multiplied, and TransformerLens's view of them.
 * Axes: D d_model · H query heads · G key/value heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import type { Anatomy } from './process.js'
import type { Weights } from './weights.js'

/** Sizes of one attention layer; G = H unless key/value heads are shared. */
export interface AttentionSizes {
  readonly dModel: number
  readonly nHeads: number
  readonly dHead: number
  readonly nKeyValueHeads?: number
}

const derived = /^(blocks\.\d+)\.attn\.(_?)([Wb])_([QKVO])$/

/**
 * A weight by TransformerLens's name: W_Q [H,D,K], W_K, W_V [H,D,K] (shared heads repeated; `_W_K` [G,D,K] as they are),
 * b_Q … [H,K], W_O [H,K,D], out of W_QKV [D,(H+2G)·K], b_QKV and W_O [H·K,D]. Others as stored. The caller owns it.
 */
export function packedWeight(w: Weights, sizes: AttentionSizes, name: string): tf.Tensor {
  const [, block, ungrouped, kind, letter] = derived.exec(name) ?? []
  if (block === undefined || name.endsWith('b_O')) return w.get(name).clone()
  const { dModel, dHead, nHeads, nKeyValueHeads = nHeads } = sizes
  return tf.tidy(() => {
    if (letter === 'O') return w.get(`${block}.attn.W_O`).reshape([nHeads, dHead, dModel])
    const part = 'QKV'.indexOf(letter!)
    const widths = [nHeads, nKeyValueHeads, nKeyValueHeads].map((heads) => heads * dHead)
    const stored = tf.split(w.get(`${block}.attn.${kind}_QKV`), widths, kind === 'b' ? 0 : 1)[part]!
    const byHead = kind === 'b' ? stored.reshape([-1, dHead]) : stored.reshape([dModel, -1, dHead]).transpose([1, 0, 2])
    const times = ungrouped || part === 0 ? 1 : nHeads / nKeyValueHeads
    return times === 1 ? byHead : repeated(byHead, times)
  })
}

/** Each entry of the first axis `times` times in a row. */
function repeated(x: tf.Tensor, times: number): tf.Tensor {
  const [first, ...rest] = x.shape as [number, ...number[]]
  return x
    .reshape([first, 1, ...rest])
    .tile([1, times, ...rest.map(() => 1)])
    .reshape([first * times, ...rest])
}

/** The value biases of every layer, for processing. */
export function packedValues(nLayers: number, sizes: AttentionSizes): Anatomy['values'] {
  const { dHead, nHeads, nKeyValueHeads = nHeads } = sizes
  const size = nKeyValueHeads * dHead
  return Array.from({ length: nLayers }, (_, l) => ({
    b: `blocks.${l}.attn.b_QKV`,
    begin: nHeads * dHead + size,
    size,
    dHead,
    repeat: nHeads / nKeyValueHeads,
    W_O: `blocks.${l}.attn.W_O`,
    b_O: `blocks.${l}.attn.b_O`,
  }))
}
