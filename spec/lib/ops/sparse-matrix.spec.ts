/** Products of rows that are mostly zeros: those of the plain matrix, backwards too. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { linear } from '../../../lib/ops/linear.js'
import { Matrix } from '../../../lib/ops/weight-matrix.js'
import { SparseRowsMatrix } from '../../../lib/ops/sparse-matrix.js'
import { expectClose, tolerances } from '../../support/close.js'
import { normalTensor } from '../../support/slope.js'

describe('lib/ops/sparse-matrix', () => {
  /** The product and its gradient are those of the plain matrix; numbers up to the threshold are zeros. */
  function expectProducts(value: tf.Tensor2D, drawn: tf.Tensor3D, threshold: number): void {
    const x = tf.where(drawn.greater(threshold), drawn, tf.zerosLike(drawn))
    const [batch, positions] = drawn.shape
    const [b, dy] = [normalTensor([6], 3), normalTensor([batch, positions, 6], 4)]
    const [sparse, plain] = [new SparseRowsMatrix(value), new Matrix(value)]
    expectClose(linear(x, sparse, b), linear(x, plain, b), tolerances.op)
    expectClose(linear(x, sparse), linear(x, plain), tolerances.op)
    const gradient = (W: Matrix) => tf.grad((v) => linear(v, W))(x, dy)
    expectClose(gradient(sparse), gradient(plain), 0)
    sparse.dispose()
    plain.dispose()
  }

  for (const [what, threshold] of [
    ['no', -Infinity],
    ['some', 0],
    ['most', 2],
    ['all', Infinity],
  ] as const) {
    it(`multiplies rows of which ${what} numbers are zero, with the gradient of the plain matrix`, () => {
      tf.tidy(() => {
        expectProducts(normalTensor([40, 6], 1) as tf.Tensor2D, normalTensor([2, 5, 40], 2) as tf.Tensor3D, threshold)
      })
    })
  }

  for (const [what, threshold, inputs] of [
    ['no', -Infinity, 40],
    ['some', 0, 40],
    ['most', 2.6, 640], // all but one in two hundred
    ['all', Infinity, 640],
  ] as const) {
    for (const positions of [1, 256, 257]) {
      it(`does so for ${positions} of which ${what} numbers are zero`, () => {
        tf.tidy(() => {
          const value = normalTensor([inputs, 6], 1).div<tf.Tensor2D>(Math.sqrt(inputs)) // products of size 1
          expectProducts(value, normalTensor([1, positions, inputs], 2) as tf.Tensor3D, threshold)
        })
      })
    }
  }

  it('multiplies a row of few numbers by what it meets, also NaN and negative ones, beside any other row', () => {
    tf.tidy(() => {
      const W = new SparseRowsMatrix(normalTensor([640, 3], 1) as tf.Tensor2D)
      const row = (numbers: Record<number, number>) => Array.from({ length: 640 }, (_, i) => numbers[i] ?? 0)
      const times = (...rows: number[][]) => W.times(tf.tensor2d(rows)).arraySync() as number[][]
      const [two, nan, none, many] = [row({ 3: -2, 600: 0.5 }), row({ 5: NaN, 6: 1 }), row({}), Array(640).fill(1)]
      const expected = W.value.gather([3, 600]).mul([[-2], [0.5]]).sum(0) // prettier-ignore
      const alone = times(two)[0]!
      expectClose(alone, expected, tolerances.op)
      expect(times(two, nan, none)).to.deep.equal([alone, [NaN, NaN, NaN], [0, 0, 0]])
      expectClose(times(many, two, none)[1]!, expected, tolerances.op)
      W.dispose()
    })
  })
})
