/** JumpReLU and gates: what passes, and where the gradient goes. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { gated, jumpRelu } from '../../../lib/ops/jump-relu.js'

describe('lib/ops jumpRelu', () => {
  const x = () => tf.tensor2d([[-2, 0, 0.5, 1, 1.5, 3]])

  it('passes what is above the threshold, strictly, and above 0', () => {
    const rows = tf.tidy(() => [
      ...jumpRelu(x(), tf.tensor1d([-3, -1, 0.5, 0.9, 2, -5])).dataSync(),
      ...jumpRelu(x(), tf.scalar(1)).dataSync(),
    ])
    expect(rows).to.deep.equal([0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 1.5, 3])
  })

  it('sends the gradient where x passes', () => {
    const gradient = tf.tidy(() => {
      const dy = tf.tensor2d([[1, 2, 3, 4, 5, 6]])
      return tf
        .grad((value) => jumpRelu(value, tf.scalar(1)).mul(dy).sum())(x())
        .dataSync()
    })
    expect([...gradient]).to.deep.equal([0, 0, 0, 0, 5, 6])
  })

  it('takes the threshold for a constant', () => {
    const gradient = tf.tidy(() => tf.grad((t) => jumpRelu(x(), t).sum().add(t.sum()))(tf.tensor1d([1, 1, 1, 1, 1, 1])).dataSync()) // prettier-ignore
    expect([...gradient]).to.deep.equal([1, 1, 1, 1, 1, 1])
  })
})

describe('lib/ops gated', () => {
  it('passes x where the gate is above 0, with no gradient to the gate', () => {
    const [value, dx, dgate] = tf.tidy(() => {
      const [a, g] = [tf.tensor1d([1, -2, 3, 4]), tf.tensor1d([0, 1, 2, -1])]
      const both = tf.grads((v, gate) => gated(v as tf.Tensor, gate as tf.Tensor).add(gate.mul(0)).sum())([a, g]) // prettier-ignore
      return [gated(a, g), ...both].map((t) => [...t.dataSync()])
    })
    expect([value, dx, dgate]).to.deep.equal([
      [0, -2, 3, 0],
      [0, 1, 1, 0],
      [0, 0, 0, 0],
    ])
  })
})
