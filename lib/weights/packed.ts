/**
 * How attention's weights are stored, side by side as they are multiplied, and TransformerLens's view of them.
 * Axes: D d_model · H query heads · G key/value heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import type { NamedTensors } from './named-tensors.js'
import type { WeightLayout } from './process.js'
import type { BlockWeights, Weights } from './weights.js'

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
  const { dHead, nHeads, nKeyValueHeads = nHeads } = sizes
  const isShared = letter === 'K' || letter === 'V'
  return tf.tidy(() => {
    const [own, part] = [w.under(block), letter as HeadPart]
    const noBias = () => tf.zeros([isShared ? nKeyValueHeads : nHeads, dHead])
    const byHead = kind === 'W' ? headMatrices(own, sizes, part) : (headBiases(own, sizes, part) ?? noBias())
    const times = ungrouped || !isShared ? 1 : nHeads / nKeyValueHeads
    return times === 1 ? byHead : repeated(byHead, times)
  })
}

/** What a head's matrix or bias is of: queries, keys, values, or its way out. */
type HeadPart = 'Q' | 'K' | 'V' | 'O'

/** Matrices of a block's heads, out of those that are stored: W_Q [H,D,K], W_K and W_V [G,D,K], W_O [H,K,D]. */
export function headMatrices(w: BlockWeights, sizes: AttentionSizes, part: HeadPart): tf.Tensor3D {
  const { dModel, dHead, nHeads } = sizes
  if (part === 'O') return w.get('attn.W_O').reshape([nHeads, dHead, dModel])
  const columns = partOf(w.get('attn.W_QKV'), sizes, part) // [D,H·K]
  return columns.reshape<tf.Tensor3D>([dModel, -1, dHead]).transpose([1, 0, 2])
}

/** Biases of a block's heads, b_Q [H,K], b_K and b_V [G,K]; undefined where the model has none. */
export function headBiases(w: BlockWeights, sizes: AttentionSizes, part: HeadPart): tf.Tensor2D | undefined {
  const b = w.maybe('attn.b_QKV')
  return b && partOf(b, sizes, part).reshape([-1, sizes.dHead])
}

/** The part of queries, keys or values along the last axis of what is stored together. */
function partOf(together: tf.Tensor, { dHead, nHeads, nKeyValueHeads = nHeads }: AttentionSizes, part: HeadPart) {
  const [queries, keys] = [nHeads * dHead, nKeyValueHeads * dHead]
  const [begin, size] = { Q: [0, queries], K: [queries, keys], V: [queries + keys, keys], O: [0, 0] }[part]
  const before = together.shape.slice(0, -1)
  return together.slice([...before.map(() => 0), begin ?? 0], [...before, size ?? 0])
}

/** A stored weight, or zeros for the bias [out] that a stored matrix [in,out] has not. */
function stored(w: Weights, name: string): tf.Tensor {
  if (w.isTransposed(name)) return w.matrix(name).copy()
  const matrix = name.replace('.b_', '.W_')
  const lacksBias = /^blocks\.\d+\.(attn\.b_O|mlp\.b_(in|out))$/.test(name) && !w.has(name)
  return lacksBias && w.has(matrix) ? tf.zeros([w.matrix(matrix).shape[1]]) : w.get(name).clone()
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
export function packedValues(nLayers: number, sizes: AttentionSizes): WeightLayout['values'] {
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
