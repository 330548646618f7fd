/**
 * Attention in the parts that have hook points of their own.
 * Axes: B batch · Q queries, N keys (positions) · H heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import { runGraph, type BuildGraph, type Node } from './native-graph.js'

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
  return tf.customGrad((input, save) => {
    const soft = tf.softmax(input as tf.Tensor)
    const pattern = hasPadding ? tf.where(tf.isNaN(soft), tf.zerosLike(soft), soft) : soft
    ;(save as tf.GradSaveFunc)([pattern])
    return {
      value: pattern,
      gradFunc: (dy, saved) => {
        const given = [(saved as tf.Tensor[])[0]!, dy as tf.Tensor] as const
        return runGraph('softmax, back', softmaxBackGraph, given)?.[0] ?? softmaxBack(...given)
      },
    }
  })(scores) as tf.Tensor4D
}

function softmaxBack(pattern: tf.Tensor, dy: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const weighted = pattern.mul(dy)
    return weighted.sub(pattern.mul(weighted.sum(-1, true)))
  })
}

const softmaxBackGraph: BuildGraph = (g, pattern, dy) => {
  const weighted = g.node('Mul', [pattern!, dy!])
  return g.node('Sub', [weighted, g.node('Mul', [pattern!, g.over('Sum', weighted)])])
}

/** What lies side by side, heads apart: x [B,P,(H+…)·K] and the number of heads of each part → [B,P,H,K] of each. */
export function splitHeads(x: tf.Tensor, counts: readonly number[]): tf.Tensor4D[] {
  const [batch, positions, width] = x.shape as [number, number, number]
  const size = width / counts.reduce((sum, count) => sum + count)
  const isTaped = tf.engine().state.gradientDepth > 0 // a gradient of one's own has but one value in tfjs
  const inOne = isTaped ? undefined : runGraph(`heads ${counts} ${size}`, splitGraph(counts, size), [x])
  if (inOne) return inOne as tf.Tensor4D[]
  const widths = counts.map((count) => count * size)
  return tf.split(x, widths, -1).map((part, i) => part.reshape([batch, positions, counts[i]!, size]))
}

const splitGraph =
  (counts: readonly number[], size: number): BuildGraph =>
  (g, x) => {
    const widths = counts.map((count) => count * size)
    return g.split(x!, widths).map((part, i) => g.reshape(part, g.shape(g.sizes(x!, 0, -1), [counts[i]!, size])))
  }

/** Heads side by side: z [B,P,H,K] → [B,P,H·K]. */
export function joinHeads(z: tf.Tensor4D): tf.Tensor3D {
  const [batch, positions, heads, size] = z.shape
  return z.reshape([batch, positions, heads * size])
}

/**
 * q · k for each head, times `scale`, + bias [1|B,1,Q,N] (the mask): q [B,Q,H,K], k [B,N,H,K] → [B,H,Q,N]. The bias has
 * no gradient.
 */
export function attentionScores(q: tf.Tensor4D, k: tf.Tensor4D, scale: number, bias?: tf.Tensor4D): tf.Tensor4D {
  const key = `scores ${scale}`
  return tf.customGrad((...args) => {
    const [queries, keys, save] = args as [tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc]
    save([queries, keys])
    const inputs = bias ? [queries, keys, bias] : [queries, keys]
    return {
      value:
        runGraph(bias ? `${key}, bias` : key, scoresGraph(scale), inputs, LARGE)?.[0] ??
        scoresOf(queries, keys, scale, bias),
      gradFunc: (dy, saved) => {
        const given = [...(saved as tf.Tensor4D[]), dy as tf.Tensor4D] as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]
        return runGraph(`${key}, back`, scoresBackGraph(scale), given, LARGE) ?? scoresBack(...given, scale)
      },
    }
  })(q, k) as tf.Tensor4D
}

/** Numbers of the first input from which on a compiled graph is worth its making: it takes half the time. */
const LARGE = 2 ** 18

/** Between [B,P,H,K] and [B,H,P,K]. */
const SWAP = [0, 2, 1, 3]
const swap = (x: tf.Tensor): tf.Tensor4D => x.transpose(SWAP)

function scoresOf(q: tf.Tensor4D, k: tf.Tensor4D, scale: number, bias?: tf.Tensor4D): tf.Tensor4D {
  // scaling q rather than the scores: Q·K numbers a head instead of Q·N
  const products = tf.matMul(swap(q.mul(scale)), k.transpose<tf.Tensor4D>([0, 2, 3, 1])) as tf.Tensor4D
  return bias ? products.add<tf.Tensor4D>(bias) : products
}

function scoresBack(q: tf.Tensor4D, k: tf.Tensor4D, dy: tf.Tensor4D, scale: number): tf.Tensor4D[] {
  return tf.tidy(() => [swap(tf.matMul(dy, swap(k.mul(scale)))), swap(tf.matMul(dy, swap(q.mul(scale)), true))])
}

const scoresGraph =
  (scale: number): BuildGraph =>
  (g, q, k, bias) => {
    const scaled = g.node('Mul', [g.transpose(q!, SWAP), g.scalar(scale)])
    const products = g.product(scaled, g.transpose(k!, SWAP), false, true) // with fewer axes moved, a tenth of the time for few tokens
    return bias === undefined ? products : g.node('AddV2', [products, bias])
  }

const scoresBackGraph =
  (scale: number): BuildGraph =>
  (g, q, k, dy) => {
    const scaled = (x: Node): Node => g.node('Mul', [g.transpose(x, SWAP), g.scalar(scale)])
    return [g.transpose(g.product(dy!, scaled(k!)), SWAP), g.transpose(g.product(dy!, scaled(q!), true), SWAP)]
  }

/** Values mixed by the pattern: pattern [B,H,Q,N], v [B,N,H,K] → z [B,Q,H,K]. */
export function mixValues(pattern: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  return tf.customGrad((...args) => {
    const [shares, values, save] = args as [tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc]
    save([shares, values])
    return {
      value: runGraph('mix', mixGraph, [shares, values], LARGE)?.[0] ?? swap(tf.matMul(shares, swap(values))),
      gradFunc: (dz, saved) => {
        const given = [...(saved as tf.Tensor4D[]), dz as tf.Tensor4D] as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]
        return runGraph('mix, back', mixBackGraph, given, LARGE) ?? mixBack(...given)
      },
    }
  })(pattern, v) as tf.Tensor4D
}

function mixBack(pattern: tf.Tensor4D, v: tf.Tensor4D, dz: tf.Tensor4D): tf.Tensor4D[] {
  return tf.tidy(() => {
    const byHead = swap(dz)
    return [tf.matMul(byHead, v.transpose<tf.Tensor4D>([0, 2, 3, 1])), swap(tf.matMul(pattern, byHead, true))]
  })
}

const mixGraph: BuildGraph = (g, pattern, v) => g.transpose(g.product(pattern!, g.transpose(v!, SWAP)), SWAP)

const mixBackGraph: BuildGraph = (g, pattern, v, dz) => {
  const byHead = g.transpose(dz!, SWAP)
  return [g.product(byHead, g.transpose(v!, SWAP), false, true), g.transpose(g.product(pattern!, byHead, true), SWAP)]
}

/** Each key or value head once for every query head that shares it: [B,P,H/times,K] → [B,P,H,K]. */
export function repeatHeads(x: tf.Tensor4D, times: number): tf.Tensor4D {
  if (times === 1) return x
  const [batch, positions, heads, size] = x.shape
  // three axes: tile has a gradient for four at most
  const tiled = x.reshape<tf.Tensor3D>([-1, 1, size]).tile([1, times, 1])
  return tiled.reshape([batch, positions, heads * times, size])
}
