/** GELU in the tanh approximation, `gelu_new` of GPT-2. */
import * as tf from '@tensorflow/tfjs'
import type { GraphText, Node } from '../backend/native/graph-text.js'
import { differentiable } from './custom-gradient.js'
import { defineOp, type Names } from './op.js'

// tanh(u) = 2 σ(2u) − 1, so ½x(1 + tanh(u)) = x σ(2u) with u = √(2/π)(x + 0.044715 x³): two ops fewer
const LINEAR = 2 * Math.sqrt(2 / Math.PI)
const CUBIC = LINEAR * 0.044715

/** ½x(1 + tanh(√(2/π)(x + 0.044715x³))), any shape. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
export function geluNew<T extends tf.Tensor>(x: T): T {
  return differentiable({ forward: geluOp({}), backward: geluBackward({}), saves: ({ x }) => ({ x }) }, { x }) as T
}

const gate = (x: tf.Tensor): tf.Tensor => x.square().mul(CUBIC).add(LINEAR).mul(x).sigmoid()

/** LINEAR + cubic · x². */
function polynomial(g: GraphText, square: Node, cubic: number): Node {
  return g.node('AddV2', [g.node('Mul', [square, g.scalar(cubic)]), g.scalar(LINEAR)])
}

export const geluOp = defineOp<Names<'x'>, Names<'y'>>('gelu', () => ({
  opByOp: ({ x }) => ({ y: x.mul(gate(x)) }),
  graph(g, { x }) {
    const inner = g.node('Mul', [polynomial(g, g.node('Mul', [x, x]), CUBIC), x])
    return { y: g.node('Mul', [g.node('Sigmoid', [inner]), x]) }
  },
}))

/** d/dx x σ(g(x)) = σ + x σ (1 − σ) g′(x), with g′ = LINEAR + 3 CUBIC x². */
const geluBackward = defineOp<Names<'x' | 'dy'>, Names<'x'>>('gelu, backward', () => ({
  opByOp({ x, dy }) {
    const sigma = gate(x)
    const slope = x.square().mul(3 * CUBIC)
    const inner = slope.add(LINEAR).mul(x)
    return { x: dy.mul(sigma.add(sigma.mul(tf.sub(1, sigma)).mul(inner))) }
  },
  graph(g, { x, dy }) {
    const square = g.node('Mul', [x, x])
    const sigma = g.node('Sigmoid', [g.node('Mul', [polynomial(g, square, CUBIC), x])])
    const inner = g.node('Mul', [polynomial(g, square, 3 * CUBIC), x])
    const bell = g.node('SigmoidGrad', [sigma, inner]) // inner σ (1 − σ)
    return { x: g.node('Mul', [g.node('AddV2', [bell, sigma]), dy]) }
  },
}))
