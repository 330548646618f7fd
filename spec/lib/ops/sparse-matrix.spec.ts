/** Products of rows that are mostly zeros: those of the plain matrix, backwards too. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { linear, Matrix } from '../../../lib/ops/linear.js'
import { SparseRowsMatrix } from '../../../lib/ops/sparse-matrix.js'
import { expectClose, tolerances } from '../../support/close.js'
import { normalTensor } from '../../support/slope.js'

describe('lib/ops/sparse-matrix', () => {
  for (const [what, threshold] of [
    ['no', -Infinity],
    ['some', 0],
    ['most', 2],
    ['all', Infinity],
  ] as const) {
    for (const positions of [1, 32, 33]) {
      it(`multiplies ${positions} rows of which ${what} numbers are zero, with the gradient of the plain matrix`, () => {
        tf.tidy(() => {
          const value = normalTensor([40, 6], 1) as tf.Tensor2D
          const drawn = normalTensor([1, positions, 40], 2)
          const x = tf.where(drawn.greater(threshold), drawn, tf.zerosLike(drawn))
          const [b, dy] = [normalTensor([6], 3), normalTensor([1, positions, 6], 4)]
          const [sparse, plain] = [new SparseRowsMatrix(value), new Matrix(value)]
          expectClose(linear(x, sparse, b), linear(x, plain, b), tolerances.op)
          expectClose(linear(x, sparse), linear(x, plain), tolerances.op)
          const gradient = (W: Matrix) => tf.grad((v) => linear(v, W))(x, dy)
          expectClose(gradient(sparse), gradient(plain), 0)
          sparse.dispose()
          plain.dispose()
        })
      })
    }
  }

  it('multiplies one row that holds NaN or a negative number by all that it meets', () => {
    tf.tidy(() => {
      const W = new SparseRowsMatrix(normalTensor([4, 3], 1) as tf.Tensor2D)
      const row = (...numbers: number[]) => W.times(tf.tensor2d([numbers])).dataSync()
      expectClose(row(0, -2, 0, 0), W.value.slice([1, 0], [1, 3]).mul(-2), 0)
      expect([...row(0, NaN, 1, 0)]).to.deep.equal([NaN, NaN, NaN])
      W.dispose()
    })
  })
})
