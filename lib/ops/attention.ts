/**
 * Attention in the parts that have hook points of their own.
 * Axes: B batch · Q queries, N keys (positions) · H heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import type { Node } from '../backend/native/graph-text.js'
import { differentiable } from './custom-gradient.js'
import { defineOp, type Names } from './op.js'

/** Between [B,P,H,K] and [B,H,P,K]. */
const SWAP = [0, 2, 1, 3]
const swap = (x: tf.Tensor): tf.Tensor => x.transpose(SWAP)

/** Products of so many numbers of keys times queries are worth oneDNN's setting up: [B,N,H,K] · Q. */
const LARGE = 2 ** 20

/** Whether products of so many queries with keys or values, of so many numbers [B,N,H,K], are large. */
export const isLarge = (numbers: number, queries: number): boolean => numbers * queries >= LARGE

/** What attention's products with keys or values differ by. */
type ProductParameters = { readonly large: boolean }

/**
 * q · k for each head, times `scale`, + bias (the mask): q [B,Q,H,K], k [B,N,H,K], bias [1|B,1,Q,N] → [B,H,Q,N]. The
 * bias has no gradient.
 */
export function attentionScores(
  { q, k, bias }: { readonly q: tf.Tensor4D; readonly k: tf.Tensor4D; readonly bias?: tf.Tensor4D },
  scale: number,
): tf.Tensor4D {
  const parameters = { scale, large: isLarge(k.size, q.shape[1]) }
  const op = { forward: scoresOp(parameters), backward: scoresBackward(parameters), saves: inputsOf }
  return differentiable<Names<'q' | 'k'>, Names<never, 'bias'>, Names<'scores'>, Names<'q' | 'k' | 'dy'>>(
    op,
    { q, k },
    { bias },
  ) as tf.Tensor4D
}

const inputsOf = ({ q, k }: { readonly q: tf.Tensor; readonly k: tf.Tensor }) => ({ q, k })

export const scoresOp = defineOp<Names<'q' | 'k', 'bias'>, Names<'scores'>, ProductParameters & { scale: number }>(
  'attention scores',
  ({ scale, large }) => ({
    opByOp({ q, k, bias }) {
      // scaling q rather than the scores: Q·K numbers a head instead of Q·N
      const products = tf.matMul(swap(q.mul(scale)), k.transpose([0, 2, 3, 1]))
      return { scores: bias ? products.add(bias) : products }
    },
    graph(g, { q, k, bias }) {
      const scaled = g.node('Mul', [g.transpose(q, SWAP), g.scalar(scale)])
      // a transpose to [0,2,3,1] takes ten times as long for few tokens
      const products = g.products(scaled, g.transpose(k, SWAP), { transposeB: true }, large)
      return { scores: bias === undefined ? products : g.node('AddV2', [products, bias]) }
    },
  }),
)

const scoresBackward = defineOp<Names<'q' | 'k' | 'dy'>, Names<'q' | 'k'>, ProductParameters & { scale: number }>(
  'attention scores, backward',
  ({ scale, large }) => ({
    opByOp: ({ q, k, dy }) => ({
      q: swap(tf.matMul(dy, swap(k.mul(scale)))),
      k: swap(tf.matMul(dy, swap(q.mul(scale)), true)),
    }),
    graph(g, { q, k, dy }) {
      const scaled = (x: Node): Node => g.node('Mul', [g.transpose(x, SWAP), g.scalar(scale)])
      return {
        q: g.transpose(g.products(dy, scaled(k), {}, large), SWAP),
        k: g.transpose(g.products(dy, scaled(q), { transposeA: true }, large), SWAP),
      }
    },
  }),
)

/**
 * Softmax over keys, scores [B,H,Q,N]. A query that may look nowhere (padding) gets zeros, not NaN, as in
 * TransformerLens, and passes no gradient.
 */
export function attentionSoftmax(scores: tf.Tensor4D, padded: boolean): tf.Tensor4D {
  const op = {
    forward: softmaxOp({ padded }),
    backward: softmaxBackward({}),
    saves: ({ pattern }: { readonly pattern: tf.Tensor }) => ({ pattern }),
  }
  return differentiable(op, { scores }) as tf.Tensor4D
}

export const softmaxOp = defineOp<Names<'scores'>, Names<'pattern'>, { padded: boolean }>(
  'attention softmax',
  ({ padded }) => ({
    opByOp({ scores }) {
      const soft = tf.softmax(scores)
      return { pattern: padded ? tf.where(tf.isNaN(soft), tf.zerosLike(soft), soft) : soft }
    },
    graph(g, { scores }) {
      const soft = g.node('Softmax', [scores])
      const cleared = () => g.node('SelectV2', [g.node('IsNan', [soft]), g.node('ZerosLike', [soft]), soft])
      return { pattern: padded ? cleared() : soft }
    },
  }),
)

const softmaxBackward = defineOp<Names<'pattern' | 'dy'>, Names<'scores'>>('attention softmax, backward', () => ({
  opByOp({ pattern, dy }) {
    const weighted = pattern.mul(dy)
    return { scores: weighted.sub(pattern.mul(weighted.sum(-1, true))) }
  },
  graph(g, { pattern, dy }) {
    const weighted = g.node('Mul', [pattern, dy])
    return { scores: g.node('Sub', [weighted, g.node('Mul', [pattern, g.over('Sum', weighted)])]) }
  },
}))

/** Values mixed by the pattern: pattern [B,H,Q,N], v [B,N,H,K] → z [B,Q,H,K]. */
export function mixValues(pattern: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  const parameters = { large: isLarge(v.size, pattern.shape[2]) }
  const op = {
    forward: mixOp(parameters),
    backward: mixBackward(parameters),
    saves: ({ pattern, v }: { readonly pattern: tf.Tensor; readonly v: tf.Tensor }) => ({ pattern, v }),
  }
  return differentiable(op, { pattern, v }) as tf.Tensor4D
}

export const mixOp = defineOp<Names<'pattern' | 'v'>, Names<'z'>, ProductParameters>('attention mix', ({ large }) => ({
  opByOp: ({ pattern, v }) => ({ z: swap(tf.matMul(pattern, swap(v))) }),
  graph: (g, { pattern, v }) => ({
    z: g.transpose(g.products(pattern, g.transpose(v, SWAP), {}, large), SWAP),
  }),
}))

const mixBackward = defineOp<Names<'pattern' | 'v' | 'dy'>, Names<'pattern' | 'v'>, ProductParameters>(
  'attention mix, backward',
  ({ large }) => ({
    opByOp({ pattern, v, dy }) {
      const byHead = swap(dy)
      return {
        pattern: tf.matMul(byHead, v.transpose([0, 2, 3, 1])),
        v: swap(tf.matMul(pattern, byHead, true)),
      }
    },
    graph(g, { pattern, v, dy }) {
      const byHead = g.transpose(dy, SWAP)
      return {
        pattern: g.products(byHead, g.transpose(v, SWAP), { transposeB: true }, large),
        v: g.transpose(g.products(pattern, byHead, { transposeA: true }, large), SWAP),
      }
    },
  }),
)
