/** The arithmetic of LayerNorm and RMSNorm: centring, scale, and the division by it. */
import type * as tf from '@tensorflow/tfjs'
import type { GraphText, Node } from '../backend/native/graph-text.js'
import { differentiable } from './custom-gradient.js'
import { defineOp, type Names } from './op.js'

export interface NormalizeOptions {
  /** Whether the mean is taken out first: LayerNorm does, RMSNorm does not. */
  readonly centred: boolean
  readonly eps: number
}

/**
 * y = c / sqrt(mean(c²) + eps) over the last axis [...,D], with c = x, or x less its mean. The backward pass is
 * (dy − y · mean(y · dy)) / scale, less its mean in its turn: one op instead of one step for each of the forward pass.
 */
export function normalize<T extends tf.Tensor>(x: T, options: NormalizeOptions): T {
  const { centred, eps } = options
  const forward = normalizeOp({ centred, eps })
  const backward = normalizeBackward({ centred })
  return differentiable({ forward, backward, saves: ({ y, scale }) => ({ y, scale }) }, { x }) as T
}

/** x less its mean over the last axis. */
export const lessMean = (x: tf.Tensor): tf.Tensor => x.sub(x.mean(-1, true))

/** sqrt(mean(x²) + eps) over the last axis, which stays with one. */
export function rootMeanSquare(x: tf.Tensor, eps: number): tf.Tensor {
  return x.square().mean(-1, true).add(eps).sqrt()
}

const lessMeanNode = (g: GraphText, x: Node): Node => g.node('Sub', [x, g.over('Mean', x)])

/** Of x [...,D]: y and the scale [...,1]. */
export const normalizeOp = defineOp<Names<'x'>, Names<'y' | 'scale'>, { centred: boolean; eps: number }>(
  'normalize',
  ({ centred, eps }) => ({
    opByOp({ x }) {
      const c = centred ? lessMean(x) : x
      const scale = rootMeanSquare(c, eps)
      return { y: c.div(scale), scale }
    },
    graph(g, { x }) {
      const c = centred ? lessMeanNode(g, x) : x
      const scale = g.node('Sqrt', [g.node('AddV2', [g.over('Mean', g.node('Mul', [c, c])), g.scalar(eps)])])
      return { y: g.node('RealDiv', [c, scale]), scale }
    },
  }),
)

const normalizeBackward = defineOp<Names<'y' | 'scale' | 'dy'>, Names<'x'>, { centred: boolean }>(
  'normalize, backward',
  ({ centred }) => ({
    opByOp({ y, scale, dy }) {
      const across = dy.sub(y.mul(y.mul(dy).mean(-1, true)))
      return { x: (centred ? lessMean(across) : across).div(scale) }
    },
    graph(g, { y, scale, dy }) {
      const along = g.over('Mean', g.node('Mul', [y, dy]))
      const across = g.node('Sub', [dy, g.node('Mul', [y, along])])
      return { x: g.node('RealDiv', [centred ? lessMeanNode(g, across) : across, scale]) }
    },
  }),
)
