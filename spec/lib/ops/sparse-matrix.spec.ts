/** Products of rows that are mostly zeros: those of the plain matrix, backwards too. */
import * as tf from '@tensorflow/tfjs'
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
    it(`multiplies rows of which ${what} numbers are zero, with the gradient of the plain matrix`, () => {
      tf.tidy(() => {
        const value = normalTensor([40, 6], 1) as tf.Tensor2D
        const drawn = normalTensor([2, 5, 40], 2)
        const x = tf.where(drawn.greater(threshold), drawn, tf.zerosLike(drawn))
        const [b, dy] = [normalTensor([6], 3), normalTensor([2, 5, 6], 4)]
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
})
