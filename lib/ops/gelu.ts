/** GELU in the tanh approximation, `gelu_new` of GPT-2. */
import * as tf from '@tensorflow/tfjs'
import { runGraph, type GraphText, type Node } from './native-graph.js'

// tanh(u) = 2 σ(2u) − 1, so ½x(1 + tanh(u)) = x σ(2u) with u = √(2/π)(x + 0.044715 x³): two ops fewer
const LINEAR = 2 * Math.sqrt(2 / Math.PI)
const CUBIC = LINEAR * 0.044715

/** Numbers from which on one compiled loop is worth its making: it takes a third of the time. */
const LARGE = 2 ** 18

/** ½x(1 + tanh(√(2/π)(x + 0.044715x³))), any shape. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
export function geluNew<T extends tf.Tensor>(x: T): T {
  return tf.customGrad((input, save) => {
    const v = input as tf.Tensor
    ;(save as tf.GradSaveFunc)([v])
    return {
      value: runGraph('gelu', valueGraph, [v], LARGE)?.[0] ?? v.mul(gate(v)),
      // in a tidy, as every gradFunc of several ops: tfjs keeps what one leaves behind until the backward pass has ended
      gradFunc: (dy, saved) => {
        const inputs = [(saved as tf.Tensor[])[0]!, dy as tf.Tensor] as const
        return runGraph('gelu, back', backGraph, inputs, LARGE)?.[0] ?? tf.tidy(() => inputs[1].mul(slope(inputs[0])))
      },
    }
  })(x) as T
}

const gate = (x: tf.Tensor): tf.Tensor => x.square().mul(CUBIC).add(LINEAR).mul(x).sigmoid()

/** d/dx x σ(g(x)) = σ + x σ (1 − σ) g′(x), with g′ = LINEAR + 3 CUBIC x². */
function slope(x: tf.Tensor): tf.Tensor {
  const sigma = gate(x)
  const inner = x
    .square()
    .mul(3 * CUBIC)
    .add(LINEAR)
    .mul(x)
  return sigma.add(sigma.mul(tf.sub(1, sigma)).mul(inner))
}

/** LINEAR + cubic · x². */
function polynomial(g: GraphText, square: Node, cubic: number): Node {
  return g.node('AddV2', [g.node('Mul', [square, g.scalar(cubic)]), g.scalar(LINEAR)])
}

function valueGraph(g: GraphText, x: Node): Node {
  const inner = g.node('Mul', [polynomial(g, g.node('Mul', [x, x]), CUBIC), x])
  return g.node('Mul', [g.node('Sigmoid', [inner]), x])
}

function backGraph(g: GraphText, x: Node, dy: Node): Node {
  const square = g.node('Mul', [x, x])
  const sigma = g.node('Sigmoid', [g.node('Mul', [polynomial(g, square, CUBIC), x])])
  const inner = g.node('Mul', [polynomial(g, square, 3 * CUBIC), x])
  const bell = g.node('SigmoidGrad', [sigma, inner]) // inner σ (1 − σ)
  return g.node('Mul', [g.node('AddV2', [bell, sigma]), dy])
}
