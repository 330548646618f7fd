/** The tied unembedding against the matrix that it stands for. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { linear } from '../../../lib/ops/linear.js'
import { Matrix } from '../../../lib/ops/weight-matrix.js'
import { TiedUnembedding } from '../../../lib/ops/tied-unembedding.js'
import { expectClose, tolerances } from '../../support/close.js'
import { normalTensor } from '../../support/slope.js'

describe('lib/ops/tied-unembedding', () => {
  for (const centred of [false, true]) {
    it(`multiplies, backwards too, as the matrix it stands for${centred ? ', centred' : ''}`, () => {
      tf.tidy(() => {
        const embedding = normalTensor([7, 5], 1) as tf.Tensor2D
        const scale = normalTensor([5, 1], 2) as tf.Tensor2D
        const mean = centred ? embedding.mean(0).reshape<tf.Tensor2D>([5, 1]) : undefined
        const tied = new TiedUnembedding(embedding, scale, mean)
        expect(tied.shape).to.deep.equal([5, 7])
        const whole = (centred ? embedding.sub(embedding.mean(0)) : embedding).mul(scale.reshape([1, 5])).transpose()
        expectClose(tied.matrix(), whole, tolerances.op)
        const [x, dy] = [normalTensor([2, 3, 5], 3), normalTensor([2, 3, 7], 4)]
        const through = (W: TiedUnembedding | Matrix) => [linear(x, W), tf.grad((y) => linear(y, W))(x, dy)]
        const matrix = new Matrix(whole as tf.Tensor2D)
        const [mine, theirs] = [through(tied), through(matrix)]
        mine.forEach((tensor, i) => expectClose(tensor, theirs[i]!, tolerances.layer))
        matrix.dispose()
      })
    })
  }
})
