/** The k largest of each row. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { keepTopK } from '../../../lib/ops/top-k.js'
import { expectClose } from '../../support/close.js'
import { normalTensor } from '../../support/slope.js'
import { rowsOf } from '../../support/saes.js'

describe('lib/ops keepTopK', () => {
  it('keeps exactly the k largest of each row, as sorting does', () => {
    for (const [shape, k] of [
      [[5, 17], 3],
      [[2, 3, 8], 1],
      [[4, 6], 5],
    ] as [number[], number][]) {
      // prettier-ignore
      const x = normalTensor(shape, 3)
      const kept = keepTopK(x, k)
      const expected = rowsOf(x).flatMap((row) => {
        const least = [...row].sort((a, b) => b - a)[k - 1]!
        return row.map((value) => (value >= least ? value : 0))
      })
      expectClose(kept, expected, 0, `${shape}, ${k}`)
      expect(kept.shape).to.deep.equal(shape)
      tf.dispose([x, kept])
    }
  })

  it('keeps k of equals, the first of them', () => {
    const kept = tf.tidy(() => keepTopK(tf.tensor2d([[2, 2, 2, 2], [0, 1, 1, 1]]), 2).arraySync()) // prettier-ignore
    expect(kept).to.deep.equal([
      [2, 2, 0, 0],
      [0, 1, 1, 0],
    ])
  })

  it('keeps all where k is the width or more', () => {
    const kept = tf.tidy(() => [...keepTopK(tf.tensor1d([3, -1, 2]), 7).dataSync()])
    expect(kept).to.deep.equal([3, -1, 2])
  })

  it('sends the gradient where x passes', () => {
    const gradient = tf.tidy(() => {
      const x = tf.tensor2d([[1, 5, 3, -2], [4, -3, -1, -2]]) // prettier-ignore
      const dy = tf.tensor2d([[1, 2, 3, 4], [5, 6, 7, 8]]) // prettier-ignore
      return tf
        .grad((value) => keepTopK(value, 2).mul(dy).sum())(x)
        .arraySync()
    })
    expect(gradient).to.deep.equal([
      [0, 2, 3, 0],
      [5, 0, 7, 0],
    ])
  })
})
