/** Forms in a row: what the parts give alone, to the last digit, on every backend. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { geluForms } from '../../../lib/ops/gelu.js'
import { normForms } from '../../../lib/ops/layer-norm.js'
import { productForms } from '../../../lib/ops/linear.js'
import { composed, compute, computeFirst } from '../../../lib/ops/custom-gradient.js'
import { normalTensor } from '../../support/slope.js'

const norm = normForms(true, 1e-5)
const normedProduct = composed('spec: normed product', (run, [x, W, b, onto]) => {
  const [normed] = run(norm, x!)
  const [pre] = run(productForms, normed!, W!, b!)
  const [post] = run(geluForms, pre!)
  return run(productForms, post!, W!, b!, onto!)
})
/** One of its parts is composed itself. */
const twice = composed('spec: twice', (run, [x, W, b]) => {
  const [once] = run(normedProduct, x!, W!, b!, x!)
  return run(normedProduct, once!, W!, b!, once!)
})

describe('lib/ops composed', () => {
  const inputs = () => [normalTensor([10, 64], 1), normalTensor([64, 64], 2), normalTensor([64], 3)] as const

  it('gives what its parts give, one inside another too', () => {
    tf.tidy(() => {
      const [x, W, b] = inputs()
      const byHand = (input: tf.Tensor) => {
        const pre = computeFirst(productForms, [computeFirst(norm, [input]), W, b])
        return computeFirst(productForms, [computeFirst(geluForms, [pre]), W, b, input])
      }
      const once = computeFirst(normedProduct, [x, W, b, x])
      expect(Array.from(once.dataSync())).to.deep.equal(Array.from(byHand(x).dataSync()))
      const both = computeFirst(twice, [x, W, b])
      expect(both.shape).to.deep.equal(x.shape)
      expect(Array.from(both.dataSync())).to.deep.equal(Array.from(byHand(byHand(x)).dataSync()))
    })
  })

  it('holds nothing but what it gives', () => {
    tf.tidy(() => {
      const [x, W, b] = inputs()
      const before = tf.memory().numTensors
      computeFirst(twice, [x, W, b]).dispose()
      tf.dispose(compute(normedProduct, [x, W, b, x]))
      expect(tf.memory().numTensors).to.equal(before)
    })
  })
})
