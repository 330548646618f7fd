/** LayerNorm in the parts that have hook points of their own: centring, scale, and the division by it. */
import * as tf from '@tensorflow/tfjs'
import type { At } from '../core/hooks.js'
import type { GraphText, Node } from '../backend/native/graph.js'
import { differentiable, type Forms } from './custom-gradient.js'

/**
 * x centred and divided by sqrt(mean(x²) + eps), over the last axis [...,D], with the points `hook_scale` [...,1] and
 * `hook_normalized` [...,D] (before weight and bias, as TransformerLens 3). A folded norm has no weight and bias.
 */
export function layerNorm<T extends tf.Tensor>(x: T, eps: number, at: At, weight?: tf.Tensor, bias?: tf.Tensor): T {
  return tf.tidy(() => {
    const normalized = isWatched(at) ? inParts(x, eps, at) : normalize(x, true, eps)
    const scaled = weight ? normalized.mul(weight) : normalized
    return (bias ? scaled.add(bias) : scaled) as T
  })
}

/** Whether somebody listens inside of a norm. `at` is under its name. */
export function isWatched(at: At): boolean {
  return at.wants('hook_scale') || at.wants('hook_normalized')
}

function inParts(x: tf.Tensor, eps: number, at: At): tf.Tensor {
  const centred = lessMean(x)
  return at('hook_normalized', centred.div(at('hook_scale', rootMeanSquare(centred, eps))))
}

export function rootMeanSquare(x: tf.Tensor, eps: number): tf.Tensor {
  return x.square().mean(-1, true).add(eps).sqrt()
}

/**
 * y = c / sqrt(mean(c²) + eps) with c = x, or x less its mean, in one piece: the backward pass is (dy − y · mean(y · dy))
 * / scale, less its mean in its turn, instead of one step for each of the ops.
 */
export function normalize(x: tf.Tensor, centred: boolean, eps: number): tf.Tensor {
  return differentiable({ forward: normForms(centred, eps), back: back(centred), saves: 'outputs' }, [x])
}

const lessMean = (x: tf.Tensor): tf.Tensor => x.sub(x.mean(-1, true))
const lessMeanNode = (g: GraphText, x: Node): Node => g.node('Sub', [x, g.over('Mean', x)])

/** y and the scale, of x [...,D]. */
export const normForms = (centred: boolean, eps: number): Forms => ({
  key: `norm ${centred} ${eps}`,
  plain(x) {
    const c = centred ? lessMean(x!) : x!
    const scale = rootMeanSquare(c, eps)
    return [c.div(scale), scale]
  },
  graph(g, x) {
    const c = centred ? lessMeanNode(g, x!) : x!
    const scale = g.node('Sqrt', [g.node('AddV2', [g.over('Mean', g.node('Mul', [c, c])), g.scalar(eps)])])
    return [g.node('RealDiv', [c, scale]), scale]
  },
})

const back = (centred: boolean): Forms => ({
  key: `norm ${centred}, back`,
  plain(y, scale, dy) {
    const across = dy!.sub(y!.mul(y!.mul(dy!).mean(-1, true)))
    return [(centred ? lessMean(across) : across).div(scale!)]
  },
  graph(g, y, scale, dy) {
    const along = g.over('Mean', g.node('Mul', [y!, dy!]))
    const across = g.node('Sub', [dy!, g.node('Mul', [y!, along])])
    return g.node('RealDiv', [centred ? lessMeanNode(g, across) : across, scale!])
  },
})
