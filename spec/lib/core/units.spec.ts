/** Units taken out of an activation and put back, with their gradients. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { putUnits, takeUnits } from '../../../lib/core/units.js'

const x = () => tf.tensor3d([0, 1, 2, 3, 10, 11, 12, 13], [2, 4, 1])

describe('lib/core/units', () => {
  it('takes units in the order given', () => {
    tf.tidy(() => {
      expect(takeUnits(x(), 1, [2]).arraySync()).to.deep.equal([[[2]], [[12]]])
      expect(takeUnits(x(), 1, [3, 0]).arraySync()).to.deep.equal([
        [[3], [0]],
        [[13], [10]],
      ])
    })
  })

  for (const units of [[0], [3], [2, 1], [0, 2], [3, 0, 1], [3, 2, 1, 0]]) {
    it(`puts back [${units}] and leaves the others`, () => {
      tf.tidy(() => {
        const by = takeUnits(x(), 1, units).add(100)
        const expected = x().add(tf.tensor1d([0, 1, 2, 3].map((u) => (units.includes(u) ? 100 : 0))).reshape([1, 4, 1]))
        expect(putUnits(x(), 1, { units, by }).arraySync()).to.deep.equal(expected.arraySync())
      })
    })
  }

  it('hands each its own gradient', () => {
    tf.tidy(() => {
      const weights = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 4, 1])
      const tripled = (input: tf.Tensor) => {
        const by = takeUnits(input, 1, [3, 1]).mul(3)
        return putUnits(input, 1, { units: [3, 1], by })
          .mul(weights)
          .sum() as tf.Scalar
      }
      expect(tf.grad(tripled)(x()).arraySync()).to.deep.equal([
        [[1], [6], [3], [12]],
        [[5], [18], [7], [24]],
      ])
    })
  })
})
