/** What tells one sweep from another. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { sweepKey } from '../../../../lib/sweep/run/sweep-key.js'
import { tinyModel } from '../../../support/tiny-gpt2.js'

const hook = 'blocks.0.hook_resid_pre'

describe('the key of a sweep', () => {
  it('is one for equal values: numbers of tensors and typed arrays, texts of functions', async () => {
    const tensor = () => tf.tensor2d([1, 2, 3, 4], [2, 2])
    const [a, b] = [tensor(), tensor()]
    const of = (to: tf.Tensor) => sweepKey([{ model: 'toy' }, [[1, 2]], [{ hook, to }, { hook, add: Float32Array.of(1) }, { hook, by: (x: tf.Tensor) => x.neg() }]]) // prettier-ignore
    expect(await of(a)).to.equal(await of(b))
    expect(await of(a)).to.match(/^[0-9a-f]{64}$/)
    tf.dispose([a, b])
  })

  it('differs with any of them', async () => {
    const tensors = [tf.tensor([1, 2, 3, 4]), tf.tensor([1, 2, 3, 5]), tf.tensor([1, 2, 3, 4], [2, 2])]
    const sweeps = [
      ...tensors.map((to) => [{ hook, to }]),
      [{ hook, to: [1, 2, 3, 4] }],
      [{ hook, to: 'zero' }],
      [{ hook, to: 'zero', position: 0 }],
      [{ hook, to: { key: 'a', make: () => tf.zeros([1]) } }],
      [{ hook, to: { key: 'b', make: () => tf.zeros([1]) } }],
      [{ hook, by: (x: tf.Tensor) => x.neg() }],
      [{ hook, by: (x: tf.Tensor) => x.abs() }],
    ]
    const keys = await Promise.all(sweeps.map((edits) => sweepKey([edits])))
    expect(new Set(keys).size).to.equal(sweeps.length)
    expect(await sweepKey([[1], [2]])).to.not.equal(await sweepKey([[1, 2]]))
    tf.dispose(tensors)
  })

  it('knows caches by their activations', async () => {
    using model = await tinyModel()
    using cache = model.runWithCache([1, 2, 3], { names: hook })
    using same = model.runWithCache([1, 2, 3], { names: hook })
    using other = model.runWithCache([1, 2, 4], { names: hook })
    expect(await sweepKey([cache])).to.equal(await sweepKey([same]))
    expect(await sweepKey([cache])).to.not.equal(await sweepKey([other]))
  })
})
