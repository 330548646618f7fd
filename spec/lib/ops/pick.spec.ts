/** Picking rows and columns, and where the gradient goes. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { pickColumns, pickPositions } from '../../../lib/ops/pick.js'
import { expectClose } from '../../support/close.js'
import { normalTensor } from '../../support/slope.js'

describe('lib/ops/pick', () => {
  for (const [kind, positions] of [
    ['equal', [1, 1, 1]],
    ['different', [2, 0, 3]],
  ] as const) {
    it(`picks ${kind} positions, and puts their gradient back where they stood`, () => {
      tf.tidy(() => {
        const x = normalTensor([3, 4, 5], 1) as tf.Tensor3D
        const dy = normalTensor([3, 5], 2) as tf.Tensor2D
        const all = x.arraySync()
        expect(pickPositions(x, positions).arraySync()).to.deep.equal(positions.map((p, b) => all[b]![p]))
        const gradient = tf.grad((v) => pickPositions(v as tf.Tensor3D, positions))(x, dy)
        const arriving = dy.arraySync()
        const expected = all.map((rows, b) =>
          rows.map((row, p) => row.map((_, v) => (p === positions[b] ? arriving[b]![v]! : 0))),
        )
        expect(gradient.shape).to.deep.equal(x.shape)
        expectClose(gradient, expected.flat(2), 0)
      })
    })
  }

  for (const columns of [
    [2, 2, 2, 2],
    [4, 0, 1, 4],
  ]) {
    it(`picks columns ${columns.join(', ')}, and puts their gradient back where they stood`, () => {
      tf.tidy(() => {
        const x = normalTensor([4, 5], 3) as tf.Tensor2D
        const dy = normalTensor([4], 4) as tf.Tensor1D
        const all = x.arraySync()
        expect(pickColumns(x, columns).arraySync()).to.deep.equal(columns.map((c, n) => all[n]![c]))
        const gradient = tf.grad((v) => pickColumns(v as tf.Tensor2D, columns))(x, dy)
        const arriving = dy.arraySync()
        expectClose(
          gradient,
          all.flatMap((row, n) => row.map((_, c) => (c === columns[n] ? arriving[n]! : 0))),
          0,
        )
      })
    })
  }

  it('sums the gradients of one tensor picked twice', () => {
    tf.tidy(() => {
      const x = normalTensor([1, 3, 2], 5) as tf.Tensor3D
      const twice = (v: tf.Tensor) =>
        pickPositions(v as tf.Tensor3D, [0])
          .sum()
          .add(
            pickPositions(v as tf.Tensor3D, [2])
              .mul(3)
              .sum(),
          )
          .add(
            pickPositions(v as tf.Tensor3D, [0])
              .mul(10)
              .sum(),
          )
      expect(tf.grad(twice)(x).arraySync()).to.deep.equal([
        [
          [11, 11],
          [0, 0],
          [3, 3],
        ],
      ])
    })
  })
})
