/** Identities of the forward pass and what they do to the backward pass. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { detached, stopGradient, straightThrough, tapGradient } from '../../../lib/ops/stop-gradient.js'

const x = () => tf.tensor1d([1, 2, 3])
const numbers = (t: tf.Tensor) => Array.from(t.dataSync())

describe('lib/ops/stop-gradient', () => {
  it('stopGradient is x, a constant to the backward pass', () => {
    tf.tidy(() => {
      expect(numbers(stopGradient(x()))).to.deep.equal([1, 2, 3])
      const gradient = tf.grad((v) => v.square().add(stopGradient(v).mul(v)))(x())
      expect(numbers(gradient)).to.deep.equal([3, 6, 9]) // 2x + x, not 2x + 2x
    })
  })

  it('detached is what was computed, with zero gradients in the shape of each input', () => {
    tf.tidy(() => {
      const other = tf.tensor2d([[4], [5]])
      const f = (a: tf.Tensor, b: tf.Tensor) => detached(() => a.sum().mul(b.sum()), a, b).add(a.sum())
      expect(numbers(f(x(), other))).to.deep.equal([60])
      const [da, db] = tf.grads(f)([x(), other])
      expect(numbers(da!)).to.deep.equal([1, 1, 1])
      expect(db!.shape).to.deep.equal([2, 1])
      expect(numbers(db!)).to.deep.equal([0, 0])
    })
  })

  it('straightThrough has the value of one and the gradient of both', () => {
    tf.tidy(() => {
      const f = (value: tf.Tensor, source: tf.Tensor) => straightThrough(value.mul(10), source).mul(2)
      expect(numbers(f(x(), tf.zeros([3])))).to.deep.equal([20, 40, 60])
      const [dValue, dSource] = tf.grads(f)([x(), tf.zeros([3])])
      expect(numbers(dValue!)).to.deep.equal([20, 20, 20])
      expect(numbers(dSource!)).to.deep.equal([2, 2, 2])
    })
  })

  it('tapGradient shows the gradient that arrives at a point, also where only the anchor is differentiated', () => {
    tf.tidy(() => {
      const anchor = tf.scalar(0)
      const seen: number[][] = []
      const see = (gradient: tf.Tensor) => void seen.push(numbers(gradient))
      const f = (a: tf.Tensor) => {
        const early = tapGradient(x(), a as tf.Scalar, see)
        const late = tapGradient(early.square(), a as tf.Scalar, see)
        return late.mul(tf.tensor1d([1, 0, -1])).sum()
      }
      expect(numbers(f(anchor))).to.deep.equal([-8])
      expect(seen).to.deep.equal([])
      expect(numbers(tf.grad(f)(anchor))).to.deep.equal([0])
      expect(seen).to.deep.equal([
        [1, 0, -1],
        [2, 0, -6],
      ])
    })
  })
})
