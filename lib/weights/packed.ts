/**
 * How attention's weights are stored, side by side as they are multiplied, and TransformerLens's view of them.
 * Axes: D d_model · H query heads · G key/value heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import type { Anatomy, NamedTensors } from './process.js'
import { turned } from './turned.js'
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
 * b_Q … [H,K], W_O [H,K,D], out of W_QKV [D,(H+2G)·K], b_QKV and W_O [H·K,D]. Biases of a block's attention and MLP that
 * the model has not are zeros. Others as stored. The caller owns it.
 */
export function packedWeight(w: Weights, sizes: AttentionSizes, name: string): tf.Tensor {
  if (name === 'unembed.W_U') return w.tiedUnembedding?.matrix() ?? w.get(name).clone()
  if (name === 'embed.W_E' && w.has('embed.scale')) return w.get(name).mul(w.get('embed.scale'))
  const [, block, ungrouped, kind, letter] = derived.exec(name) ?? []
  if (block === undefined || name.endsWith('b_O')) return stored(w, name)
  const { dModel, dHead, nHeads, nKeyValueHeads = nHeads } = sizes
  return tf.tidy(() => {
    if (letter === 'O') return w.get(`${block}.attn.W_O`).reshape([nHeads, dHead, dModel])
    const part = 'QKV'.indexOf(letter!)
    const widths = [nHeads, nKeyValueHeads, nKeyValueHeads].map((heads) => heads * dHead)
    const bias =
      kind === 'b' ? (w.maybe(`${block}.attn.b_QKV`) ?? tf.zeros([widths.reduce((a, b) => a + b)])) : undefined
    const columns = tf.split(bias ?? w.get(`${block}.attn.W_QKV`), widths, -1)[part]!
    const byHead = bias ? columns.reshape([-1, dHead]) : columns.reshape([dModel, -1, dHead]).transpose([1, 0, 2])
    const times = ungrouped || part === 0 ? 1 : nHeads / nKeyValueHeads
    return times === 1 ? byHead : repeated(byHead, times)
  })
}

/** A stored weight, or zeros for the bias [out] that a stored matrix [in,out] has not. */
function stored(w: Weights, name: string): tf.Tensor {
  const turnedRound = w.maybe(turned(name))
  if (turnedRound) return turnedRound.transpose()
  const matrix = name.replace('.b_', '.W_')
  const lacksBias = /^blocks\.\d+\.(attn\.b_O|mlp\.b_(in|out))$/.test(name) && !w.has(name)
  return lacksBias && (w.has(matrix) || w.has(turned(matrix)))
    ? tf.zeros([w.matrix(matrix).shape[1]])
    : w.get(name).clone()
}

/** Each entry of the first axis `times` times in a row. */
function repeated(x: tf.Tensor, times: number): tf.Tensor {
  const [first, ...rest] = x.shape as [number, ...number[]]
  return x
    .reshape([first, 1, ...rest])
    .tile([1, times, ...rest.map(() => 1)])
    .reshape([first * times, ...rest])
}

/**
 * Puts W_Q, W_K and W_V [D,*] of each layer side by side, as W_QKV, and b_Q, b_K and b_V where there are any, as b_QKV.
 * The parts are freed.
 */
export function packQueries(weights: NamedTensors, nLayers: number): void {
  for (let l = 0; l < nLayers; l++) {
    for (const kind of ['W', 'b']) {
      const names = [...'QKV'].map((letter) => `blocks.${l}.attn.${kind}_${letter}`)
      if (!weights.has(names[0]!)) continue
      const parts = names.map((name) => weights.get(name)!)
      weights.set(`blocks.${l}.attn.${kind}_QKV`, tf.concat(parts, -1))
      tf.dispose(parts)
      for (const name of names) weights.delete(name)
    }
  }
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

/**
 * Gives every query head a key and a value head of its own, by repeating those that are shared: W_QKV [D,(H+2G)·K] →
 * [D,3·H·K]. The model computes the same; `sizes` are those from before.
 */
export function ungroupHeads(weights: NamedTensors, nLayers: number, sizes: AttentionSizes): void {
  const { nHeads, dHead, nKeyValueHeads = nHeads } = sizes
  const times = nHeads / nKeyValueHeads
  if (times === 1) return
  const widths = [nHeads, nKeyValueHeads, nKeyValueHeads].map((heads) => heads * dHead)
  for (let l = 0; l < nLayers; l++) {
    for (const name of [`blocks.${l}.attn.W_QKV`, `blocks.${l}.attn.b_QKV`]) {
      const grouped = weights.get(name)
      if (!grouped) continue
      const ungrouped = tf.tidy(() => {
        const [q, ...shared] = tf.split(grouped, widths, -1)
        const rows = grouped.shape.slice(0, -1)
        const own = shared.map((part) =>
          tf.tile(part.reshape([-1, 1, dHead]), [1, times, 1]).reshape([...rows, nHeads * dHead]),
        )
        return tf.concat([q!, ...own], -1)
      })
      weights.set(name, ungrouped)
      grouped.dispose()
    }
  }
}
