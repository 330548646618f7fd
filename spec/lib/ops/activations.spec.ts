/** Activation functions against their formulas in double precision. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { activations, gelu, silu, softCap, solu, type Activation } from '../../../lib/ops/activations.js'
import { expectClose, tolerances } from '../../support/close.js'
import { dotProduct, normalTensor, slopeAtZero } from '../../support/slope.js'

/** 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, whose terms have one sign. */
function erf(x: number): number {
  let term = x
  let sum = 0
  for (let n = 0; n < 200; n++) {
    sum += term
    term *= (2 * x * x) / (2 * n + 3)
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

const points = Float32Array.from({ length: 121 }, (_, i) => (i - 60) / 10)

const formulas: Record<string, [Activation, (x: number) => number]> = {
  '½x(1 + erf(x/√2))': [gelu, (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))],
  'x σ(x)': [silu, (x) => x / (1 + Math.exp(-x))],
  'cap · tanh(x / cap)': [(x) => softCap(x, 2.5), (x) => 2.5 * Math.tanh(x / 2.5)],
}

describe('lib/ops/activations', () => {
  for (const [text, [compute, formula]] of Object.entries(formulas)) {
    it(`has ${text} from −6 to 6`, () => {
      tf.tidy(() => expectClose(compute(tf.tensor1d(points)), Array.from(points, formula), tolerances.op))
    })

    it(`has the derivative of ${text}, times the gradient that arrives`, () => {
      tf.tidy(() => {
        const dy = tf.linspace(-2, 2, points.length)
        const arriving = dy.dataSync()
        const slopes = Array.from(points, (x, i) => arriving[i]! * slopeAtZero((t) => formula(x + t), 1e-3))
        expectClose(tf.grad((x) => compute(x))(tf.tensor1d(points), dy), slopes, tolerances.op)
      })
    })

    it(`has no NaN far out in ${text}, nor in its gradient`, () => {
      tf.tidy(() => {
        const x = tf.tensor1d([-1e4, -100, 100, 1e4])
        const isFinite = (t: tf.Tensor) => Array.from(t.dataSync()).every(Number.isFinite)
        expect(isFinite(compute(x))).to.equal(true)
        expect(isFinite(tf.grad((v) => compute(v))(x))).to.equal(true)
      })
    })
  }

  it('the erf gelu is not the tanh one', () => {
    const off = tf.tidy(() => {
      const x = tf.tensor1d(points)
      return activations.gelu(x).sub(activations.gelu_pytorch_tanh(x)).abs().max().dataSync()[0]!
    })
    expect(off).to.be.within(4e-4, 5e-4) // the largest difference of the two formulas is 4.7e-4
  })

  it('solu is x · softmax(x) over the last axis, with its gradient', () => {
    tf.tidy(() => {
      const [x, dy, direction] = [1, 2, 3].map((seed) => normalTensor([2, 3, 6], seed))
      const rows = x!.reshape<tf.Tensor2D>([6, 6]).arraySync()
      const expected = rows.flatMap((row) => {
        const total = row.reduce((sum, v) => sum + Math.exp(v), 0)
        return row.map((v) => (v * Math.exp(v)) / total)
      })
      expectClose(solu(x!), expected, tolerances.op)
      const gradient = tf.grad((v) => solu(v))(x!, dy)
      const along = (t: number) => dotProduct(solu(x!.add(direction!.mul(t))), dy!)
      expectClose([dotProduct(gradient, direction!)], [slopeAtZero(along, 0.05)], tolerances.derivative)
    })
  })
})
