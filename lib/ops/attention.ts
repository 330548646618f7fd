/**
 * Attention in the parts that have hook points of their own.
 * Axes: B batch · Q queries, N keys (positions) · H heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import type { At } from '../core/hooks.js'
import type { Node } from '../backend/native/graph.js'
import { composed, compute, computeFirst, differentiable, isTaped, type Forms } from './custom-gradient.js'

export interface MaskOptions {
  /** [B][past + P], 1 at real tokens, 0 at padding. @default nothing is padded */
  readonly mask?: readonly (readonly number[])[]
  /** How many positions stand before the first query. @default 0 */
  readonly past?: number
  /** Local attention: a query sees the last `window` positions, itself included. @default all */
  readonly window?: number
}

/**
 * What is added to the attention scores of Q queries over Q + past keys: 0 where a query may look, −Infinity where it
 * may not. [1,1,Q,past+Q] without padding, [B,1,Q,past+Q] with it.
 */
export function causalMask(queries: number, options: MaskOptions = {}): tf.Tensor4D {
  const { mask, past = 0, window = Infinity } = options
  const keys = past + queries
  const rows = mask ?? [undefined]
  const values = new Float32Array(rows.length * queries * keys)
  rows.forEach((real, b) => {
    for (let q = 0; q < queries; q++) {
      const row = (b * queries + q) * keys
      for (let k = 0; k < keys; k++) {
        const behind = past + q - k
        if (behind < 0 || behind >= window || real?.[k] === 0) values[row + k] = -Infinity
      }
    }
  })
  return tf.tensor4d(values, [rows.length, 1, queries, keys])
}

/**
 * Softmax over keys, scores [B,H,Q,N]. A query that may look nowhere (padding) gets zeros, not NaN, as in
 * TransformerLens, and passes no gradient.
 */
export function attentionSoftmax(scores: tf.Tensor4D, hasPadding: boolean): tf.Tensor4D {
  return differentiable({ forward: softmax(hasPadding), back: softmaxBack, saves: 'outputs' }, [scores]) as tf.Tensor4D
}

const softmax = (hasPadding: boolean): Forms => ({
  key: `softmax ${hasPadding}`,
  plain(scores) {
    const soft = tf.softmax(scores!)
    return [hasPadding ? tf.where(tf.isNaN(soft), tf.zerosLike(soft), soft) : soft]
  },
  graph(g, scores) {
    const soft = g.node('Softmax', [scores!])
    return hasPadding ? g.node('SelectV2', [g.node('IsNan', [soft]), g.node('ZerosLike', [soft]), soft]) : soft
  },
})

const softmaxBack: Forms = {
  key: 'softmax, back',
  plain(pattern, dy) {
    const weighted = pattern!.mul(dy!)
    return [weighted.sub(pattern!.mul(weighted.sum(-1, true)))]
  },
  graph(g, pattern, dy) {
    const weighted = g.node('Mul', [pattern!, dy!])
    return g.node('Sub', [weighted, g.node('Mul', [pattern!, g.over('Sum', weighted)])])
  },
}

/** What lies side by side, heads apart: x [B,P,(H+…)·K] and the number of heads of each part → [B,P,H,K] of each. */
export function splitHeads(x: tf.Tensor, counts: readonly number[]): tf.Tensor4D[] {
  const form = splitForms(counts, x.shape.at(-1)! / counts.reduce((sum, count) => sum + count))
  // a gradient of one's own has but one value in tfjs
  return (isTaped() ? form.plain(x) : compute(form, [x])) as tf.Tensor4D[]
}

/** Of x [B,P,(H+…)·K], or of its rows and anything [B,P,…]. */
export const splitForms = (counts: readonly number[], size: number): Forms => {
  const widths = counts.map((count) => count * size)
  return {
    key: `heads ${counts} ${size}`,
    plain(x, like = x) {
      const places = like!.shape.slice(0, -1)
      return tf.split(x!, widths, -1).map((part, i) => part.reshape([...places, counts[i]!, size]))
    },
    graph(g, x, like = x) {
      const places = g.sizes(like!, 0, -1)
      return g.split(x!, widths).map((part, i) => g.reshape(part, g.shape(places, [counts[i]!, size])))
    },
  }
}

/** Heads side by side: z [B,P,H,K] → [B,P,H·K]. */
export function joinHeads(z: tf.Tensor4D): tf.Tensor3D {
  return z.reshape([...z.shape.slice(0, 2), -1])
}

/** Between [B,P,H,K] and [B,H,P,K]. */
const SWAP = [0, 2, 1, 3]
const swap = (x: tf.Tensor): tf.Tensor => x.transpose(SWAP)

/** Whether products of so many queries with keys or values, so many numbers [B,N,H,K], are worth oneDNN's setting up. */
export function isLarge(numbers: number, queries: number): boolean {
  return numbers * queries >= 2 ** 20
}

/**
 * q · k for each head, times `scale`, + bias [1|B,1,Q,N] (the mask): q [B,Q,H,K], k [B,N,H,K] → [B,H,Q,N]. The bias has
 * no gradient.
 */
export function attentionScores(q: tf.Tensor4D, k: tf.Tensor4D, scale: number, bias?: tf.Tensor4D): tf.Tensor4D {
  const large = isLarge(k.size, q.shape[1])
  const op = { forward: scores(scale, large), back: scoresBack(scale, large), saves: 'inputs' } as const
  return differentiable(op, [q, k], bias ? [bias] : []) as tf.Tensor4D
}

const scores = (scale: number, large: boolean): Forms => ({
  key: `scores ${scale} ${large}`,
  plain(q, k, bias) {
    // scaling q rather than the scores: Q·K numbers a head instead of Q·N
    const products = tf.matMul(swap(q!.mul(scale)), k!.transpose([0, 2, 3, 1]))
    return [bias ? products.add(bias) : products]
  },
  graph(g, q, k, bias) {
    const scaled = g.node('Mul', [g.transpose(q!, SWAP), g.scalar(scale)])
    // a transpose to [0,2,3,1] takes ten times as long for few tokens
    const products = g.products(scaled, g.transpose(k!, SWAP), { transposeB: true }, large)
    return bias === undefined ? products : g.node('AddV2', [products, bias])
  },
})

const scoresBack = (scale: number, large: boolean): Forms => ({
  key: `scores ${scale} ${large}, back`,
  plain: (q, k, dy) => [swap(tf.matMul(dy!, swap(k!.mul(scale)))), swap(tf.matMul(dy!, swap(q!.mul(scale)), true))],
  graph(g, q, k, dy) {
    const scaled = (x: Node): Node => g.node('Mul', [g.transpose(x, SWAP), g.scalar(scale)])
    return [
      g.transpose(g.products(dy!, scaled(k!), {}, large), SWAP),
      g.transpose(g.products(dy!, scaled(q!), { transposeA: true }, large), SWAP),
    ]
  },
})

/** Values mixed by the pattern: pattern [B,H,Q,N], v [B,N,H,K] → z [B,Q,H,K]. */
export function mixValues(pattern: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  const large = isLarge(v.size, pattern.shape[2])
  return differentiable({ forward: mix(large), back: mixBack(large), saves: 'inputs' }, [pattern, v]) as tf.Tensor4D
}

const mix = (large: boolean): Forms => ({
  key: `mix ${large}`,
  plain: (pattern, v) => [swap(tf.matMul(pattern!, swap(v!)))],
  graph: (g, pattern, v) => g.transpose(g.products(pattern!, g.transpose(v!, SWAP), {}, large), SWAP),
})

const mixBack = (large: boolean): Forms => ({
  key: `mix ${large}, back`,
  plain(pattern, v, dz) {
    const byHead = swap(dz!)
    return [tf.matMul(byHead, v!.transpose([0, 2, 3, 1])), swap(tf.matMul(pattern!, byHead, true))]
  },
  graph(g, pattern, v, dz) {
    const byHead = g.transpose(dz!, SWAP)
    return [
      g.products(byHead, g.transpose(v!, SWAP), { transposeB: true }, large),
      g.transpose(g.products(pattern!, byHead, { transposeA: true }, large), SWAP),
    ]
  },
})

export interface AttendOptions {
  /** What q · k is multiplied by. */
  readonly scale: number
  /** Added to the scores: [1|B,1,Q,N]. */
  readonly bias: tf.Tensor4D
  readonly padded: boolean
}

/**
 * z [B,Q,H,K]: the values v [B,N,H,K], mixed by the softmax of the scores of q [B,Q,H,K] and k [B,N,H,K], with the points
 * `hook_attn_scores` and `hook_pattern` [B,H,Q,N].
 */
export function attend(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, options: AttendOptions, at: At): tf.Tensor4D {
  const { scale, bias, padded } = options
  if (isUnseen(at)) {
    return computeFirst(attendForms(scale, padded, isLarge(k.size, q.shape[1])), [q, k, v, bias]) as tf.Tensor4D
  }
  const pattern = attentionSoftmax(at('hook_attn_scores', attentionScores(q, k, scale, bias)), padded)
  return mixValues(at('hook_pattern', pattern), v)
}

/** Whether scores and pattern need not stand by themselves. */
export function isUnseen(at: At): boolean {
  return !isTaped() && !at.wants('hook_attn_scores') && !at.wants('hook_pattern')
}

/** Of q, k, v and the bias: z. */
export const attendForms = (scale: number, padded: boolean, large: boolean): Forms =>
  composed(`attend ${scale} ${padded} ${large}`, (run, [q, k, v, bias]) => {
    const [products] = run(scores(scale, large), q!, k!, bias!)
    const [pattern] = run(softmax(padded), products!)
    return run(mix(large), pattern!, v!)
  })

/** Each key or value head once for every query head that shares it: [B,P,H/times,K] → [B,P,H,K]. */
export function repeatHeads(x: tf.Tensor4D, times: number): tf.Tensor4D {
  if (times === 1) return x
  const [batch, positions, heads, size] = x.shape
  // three axes: tile has a gradient for four at most
  const tiled = x.reshape<tf.Tensor3D>([-1, 1, size]).tile([1, times, 1])
  return tiled.reshape([batch, positions, heads * times, size])
}
