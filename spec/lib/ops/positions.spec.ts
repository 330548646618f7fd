/** Position indices and embeddings under padding. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { learnedPositions, positionIds } from '../../../lib/ops/positions.js'

const table = [
  [1, 2],
  [3, 4],
  [5, 6],
  [7, 8],
]

describe('lib/ops/positions', () => {
  it('counts real tokens from 0, padding as 0 in front and as the last index behind', () => {
    const masks = [
      [0, 0, 1, 1],
      [1, 1, 1, 0],
      [1, 1, 1, 1],
      [0, 1, 1, 0],
    ]
    expect(positionIds(masks)).to.deep.equal([
      [0, 0, 0, 1],
      [0, 1, 2, 2],
      [0, 1, 2, 3],
      [0, 0, 1, 1],
    ])
  })

  it('gives every prompt the first rows where nothing is padded', () => {
    tf.tidy(() => {
      const rows = learnedPositions(tf.tensor2d(table), { shape: [2, 3] })
      expect(rows.arraySync()).to.deep.equal([table.slice(0, 3), table.slice(0, 3)])
    })
  })

  it('gives a padded prompt the rows of its real tokens and zeros elsewhere, left as right', () => {
    tf.tidy(() => {
      const mask = [
        [0, 0, 1, 1],
        [1, 1, 0, 0],
        [1, 1, 1, 1],
      ]
      const rows = learnedPositions(tf.tensor2d(table), { shape: [3, 4], mask })
      expect(rows.arraySync()).to.deep.equal([
        [
          [0, 0],
          [0, 0],
          [1, 2],
          [3, 4],
        ],
        [
          [1, 2],
          [3, 4],
          [0, 0],
          [0, 0],
        ],
        table,
      ])
    })
  })

  it('continues after earlier positions, of which padding is none', () => {
    tf.tidy(() => {
      const W = tf.tensor2d(table)
      expect(learnedPositions(W, { shape: [1, 2], past: 1 }).arraySync()).to.deep.equal([table.slice(1, 3)])
      const mask = [
        [0, 1, 1, 1],
        [1, 1, 1, 1],
      ]
      expect(learnedPositions(W, { shape: [2, 2], mask, past: 2 }).arraySync()).to.deep.equal([
        table.slice(1, 3),
        table.slice(2, 4),
      ])
    })
  })
})
