/**
 * Heads: next to each other in one axis, or in an axis of their own.
 * Axes: B batch · P position · H heads · K d_head
 */
import * as tf from '@tensorflow/tfjs'
import { isRecordingGradients } from './custom-gradient.js'
import { compute, defineOp, type Names } from './op.js'

/** Queries, keys and values, heads apart: [B,P,H,K] each, of keys and values fewer where heads share them. */
export interface Heads<T = tf.Tensor4D> {
  readonly q: T
  readonly k: T
  readonly v: T
}

/** How many heads there are of each, and their size K. */
export interface HeadCounts {
  readonly queries: number
  readonly keys: number
  readonly size: number
}

/** Queries, keys and values that lie next to each other, heads apart: x [B,P,(H+2·G)·K] → [B,P,H,K], twice [B,P,G,K]. */
export function splitHeads(x: tf.Tensor, { queries, keys, size }: HeadCounts): Heads {
  const op = splitHeadsOp({ queries, keys, size })
  // a gradient of one's own has but one value in tfjs
  return (isRecordingGradients() ? op.opByOp({ x }) : compute(op, { x })) as Heads
}

type Parts = Names<'q' | 'k' | 'v'>

/** Of x [B,P,…], or of its rows and anything of the shape [B,P,…]. */
export const splitHeadsOp = defineOp<Names<'x', 'like'>, Parts, { queries: number; keys: number; size: number }>(
  'split heads',
  ({ queries, keys, size }) => {
    const counts = [queries, keys, keys] as const
    const widths = counts.map((count) => count * size)
    return {
      opByOp({ x, like = x }) {
        const places = like.shape.slice(0, -1)
        const [q, k, v] = tf.split(x, widths, -1).map((part, i) => part.reshape([...places, counts[i] ?? 1, size]))
        return { q, k, v } as Heads<tf.Tensor>
      },
      graph(g, { x, like = x }) {
        const places = g.sizes(like, 0, -1)
        const [q, k, v] = g.split(x, widths).map((part, i) => g.reshape(part, g.shape(places, [counts[i] ?? 1, size])))
        return { q, k, v } as Heads<string>
      },
    }
  },
)

/** Heads next to each other: z [B,P,H,K] → [B,P,H·K]. */
export function joinHeads(z: tf.Tensor4D): tf.Tensor3D {
  return z.reshape([...z.shape.slice(0, 2), -1])
}

/** Each key or value head once for every query head that shares it: [B,P,H/times,K] → [B,P,H,K]. */
export function repeatHeads(x: tf.Tensor4D, times: number): tf.Tensor4D {
  if (times === 1) return x
  const [batch, positions, heads, size] = x.shape
  // three axes: tile has a gradient for four at most
  const tiled = x.reshape<tf.Tensor3D>([-1, 1, size]).tile([1, times, 1])
  return tiled.reshape([batch, positions, heads * times, size])
}

/** The same input for each of so many heads: x [B,P,D] → [B,P,H,D]. */
export function forEachHead(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  return x.expandDims<tf.Tensor4D>(2).tile([1, 1, heads, 1])
}
