/** Named weights: ownership, lookups, transposes. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { NamedTensors } from '../../../lib/weights/named-tensors.js'
import { Weights } from '../../../lib/weights/weights.js'
import { expectClose } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'

const make = () =>
  new Weights(
    new NamedTensors([
      [
        'blocks.0.W',
        tf.tensor2d([
          [1, 2, 3],
          [4, 5, 6],
        ]),
      ],
      ['blocks.0.b', tf.zeros([3])],
    ]),
  )

describe('lib/weights/weights', () => {
  it('holds tensors by name, through a tidy, until it is disposed', () => {
    const before = tf.memory().numTensors
    let weights!: Weights
    tf.tidy(() => void (weights = make()))
    expect(weights.names).to.deep.equal(['blocks.0.W', 'blocks.0.b'])
    expect([weights.has('blocks.0.b'), weights.has('b')]).to.deep.equal([true, false])
    expectClose(weights.get('blocks.0.W'), [1, 2, 3, 4, 5, 6], 0)
    expect(weights.maybe('blocks.0.w')).to.equal(undefined)
    expect(weights.maybe('blocks.0.b')).to.equal(weights.get('blocks.0.b'))
    expect(weights.parameterCount).to.equal(9)
    weights.dispose()
    weights.dispose()
    expect(tf.memory().numTensors).to.equal(before)
  })

  it('counts a tensor with two names once', () => {
    const shared = tf.zeros([5])
    const weights = new Weights(
      new NamedTensors([
        ['a', shared],
        ['b', shared],
      ]),
    )
    expect(weights.parameterCount).to.equal(5)
    weights.dispose()
  })

  it('is not changed by changes to the map it was made from', () => {
    const map = new NamedTensors([['a', tf.zeros([1])]])
    const weights = new Weights(map)
    map.clear()
    expect(weights.has('a')).to.equal(true)
    weights.dispose()
  })

  it('gives one matrix for a name, and frees its transpose too', () => {
    const weights = make()
    const matrix = weights.matrix('blocks.0.W')
    tf.tidy(() => expectClose(matrix.back(tf.tensor2d([[1, 0, 0]])), [1, 4], 0)) // keeps a transpose
    expect(weights.matrix('blocks.0.W')).to.equal(matrix)
    weights.dispose()
  })

  it('gives a matrix that is stored transposed by its own name, and by `matrix` alone', async () => {
    const tensors = new NamedTensors([['blocks.0.mlp.W_in', tf.tensor2d([[1, 2, 3]])]])
    tensors.transposed.add('blocks.0.mlp.W_in')
    const weights = new Weights(tensors)
    expect(weights.under('blocks.0').matrix('mlp.W_in')).to.equal(weights.matrix('blocks.0.mlp.W_in'))
    expect(await refusalOf(() => weights.get('blocks.0.mlp.W_in'))).to.equal(
      "ConfigError: weights: 'blocks.0.mlp.W_in' is stored transposed on this backend. Take it by weights.matrix('blocks.0.mlp.W_in').",
    )
    const matrix = weights.matrix('blocks.0.mlp.W_in')
    expect(matrix.shape).to.deep.equal([3, 1])
    tf.tidy(() => {
      expectClose(matrix.times(tf.tensor2d([[1, 1, 2]])), [9], 0)
      expectClose(matrix.copy(), tf.tensor2d([[1], [2], [3]]), 0)
    })
    expect(await refusalOf(() => weights.matrix('blocks.0.mlp.W_im'))).to.match(/Did you mean 'blocks\.0\.mlp\.W_in'\?/)
    weights.dispose()
  })

  it('names the nearest weight for one that is not there', async () => {
    const weights = make()
    expect(await refusalOf(() => weights.get('blocks.0.w'))).to.equal(
      "ConfigError: weights: there is no weight 'blocks.0.w'. Did you mean 'blocks.0.W'?",
    )
    expect(await refusalOf(() => weights.matrix('blocks.1.W'))).to.match(/^ConfigError: weights: there is no weight/)
    weights.dispose()
  })
})
