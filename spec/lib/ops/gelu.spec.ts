/** gelu_new against its formula in double precision. */
import * as tf from '@tensorflow/tfjs'
import { geluNew } from '../../../lib/ops/gelu.js'
import { expectClose, tolerances } from '../../support/close.js'
import { slopeAtZero } from '../../support/slope.js'

const formula = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
const points = Float32Array.from({ length: 161 }, (_, i) => (i - 80) / 10)

describe('lib/ops/gelu', () => {
  it('is ½x(1 + tanh(√(2/π)(x + 0.044715x³))) from −8 to 8', () => {
    tf.tidy(() => expectClose(geluNew(tf.tensor1d(points)), Array.from(points, formula), tolerances.op))
  })

  it('has the derivative of the formula, times the gradient that arrives', () => {
    const slopes = Array.from(points, (x) => slopeAtZero((t) => formula(x + t), 1e-3))
    tf.tidy(() => {
      const dy = tf.linspace(-2, 2, points.length)
      const gradient = tf.grad((x) => geluNew(x))(tf.tensor1d(points), dy)
      const arriving = dy.dataSync()
      expectClose(
        gradient,
        slopes.map((slope, i) => slope * arriving[i]!),
        tolerances.op,
      )
    })
  })

  it('goes to x and to 0 far out, and so does its gradient, without NaN', () => {
    tf.tidy(() => {
      const x = tf.tensor1d([-1e4, -100, 0, 100, 1e4])
      expectClose(geluNew(x), [0, 0, 0, 100, 1e4], 0)
      expectClose(tf.grad((v) => geluNew(v))(x), [0, 0, 0.5, 1, 1], 0)
    })
  })
})
