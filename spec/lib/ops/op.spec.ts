/** Ops and chains of ops: what the parts give alone, to the last digit, on every backend; and what identifies them. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { geluOp } from '../../../lib/ops/gelu.js'
import { normalizeOp } from '../../../lib/ops/normalize.js'
import { compute, computeFirst, defineChain, defineOp, type Names } from '../../../lib/ops/op.js'
import { productOp } from '../../../lib/ops/products.js'
import { expectClose } from '../../support/close.js'
import { normalTensor } from '../../support/slope.js'

const norm = normalizeOp({ centred: true, eps: 1e-5 })
const normedProduct = defineChain<Names<'x' | 'W' | 'b' | 'onto'>, Names<'y'>>(
  'spec: normed product',
  () =>
    (run, { x, W, b, onto }) => {
      const { y: normed } = run(norm, { x })
      const { y: pre } = run(productOp({}), { x: normed, W, b })
      const { y: post } = run(geluOp({}), { x: pre })
      return run(productOp({}), { x: post, W, b, onto })
    },
)({})
/** One of its parts is a chain itself. */
const twice = defineChain<Names<'x' | 'W' | 'b'>, Names<'y'>>('spec: twice', () => (run, { x, W, b }) => {
  const { y: once } = run(normedProduct, { x, W, b, onto: x })
  return run(normedProduct, { x: once, W, b, onto: once })
})({})

describe('lib/ops/op', () => {
  const inputs = () => ({ x: normalTensor([10, 64], 1), W: normalTensor([64, 64], 2), b: normalTensor([64], 3) })

  it('gives of a chain what its parts give, of one inside another too', () => {
    tf.tidy(() => {
      const { x, W, b } = inputs()
      const byHand = (input: tf.Tensor) => {
        const pre = computeFirst(productOp({}), { x: computeFirst(norm, { x: input }), W, b })
        return computeFirst(productOp({}), { x: computeFirst(geluOp({}), { x: pre }), W, b, onto: input })
      }
      const once = computeFirst(normedProduct, { x, W, b, onto: x })
      expect(Array.from(once.dataSync())).to.deep.equal(Array.from(byHand(x).dataSync()))
      const both = computeFirst(twice, { x, W, b })
      expect(both.shape).to.deep.equal(x.shape)
      expect(Array.from(both.dataSync())).to.deep.equal(Array.from(byHand(byHand(x)).dataSync()))
    })
  })

  it('holds nothing but what it gives', () => {
    tf.tidy(() => {
      const { x, W, b } = inputs()
      const before = tf.memory().numTensors
      computeFirst(twice, { x, W, b }).dispose()
      tf.dispose(compute(normedProduct, { x, W, b, onto: x }).y)
      expect(tf.memory().numTensors).to.equal(before)
    })
  })

  const scaled = defineOp<Names<'x'>, Names<'y'>, { by: number; negated?: boolean }>(
    'spec: scaled',
    ({ by, negated = false }) => ({
      graph: (g, { x }) => ({ y: g.node('Mul', [x, g.scalar(negated ? -by : by)]) }),
      opByOp: ({ x }) => ({ y: x.mul(negated ? -by : by) }),
    }),
  )

  it('tells ops apart by all of their parameters', () => {
    tf.tidy(() => {
      const x = tf.tensor1d([1, 2])
      for (const by of [2, 3, 0.1, 0.1 + Number.EPSILON / 8, 1e-30, 1e30])
        for (const negated of [false, true, undefined]) {
          const { y } = compute(scaled({ by, negated }), { x })
          const factor = negated ? -by : by
          expectClose(y, [factor, 2 * factor].map(Math.fround), 0, `${by} ${negated}`)
        }
    })
    const keys = [scaled({ by: 2 }), scaled({ by: 2, negated: true }), scaled({ by: 21 })].map(({ key }) => key)
    expect(new Set(keys).size).to.equal(3)
    expect(scaled({ by: 2 })).to.equal(scaled({ by: 2 }))
  })

  it('tells chains apart by the ops they are of', () => {
    const then = defineChain<Names<'x'>, Names<'y'>, { first: ReturnType<typeof scaled>; times: number }>(
      'spec: then',
      ({ first, times }) =>
        (run, { x }) =>
          run(scaled({ by: times }), { x: run(first, { x }).y }),
    )
    tf.tidy(() => {
      const x = tf.tensor1d([1])
      for (const [by, times] of [
        [2, 3],
        [3, 2],
        [5, 3],
        [2, 7],
      ] as const)
        // prettier-ignore
        expectClose(compute(then({ first: scaled({ by }), times }), { x }).y, [by * times], 0)
    })
  })

  it('refuses a second op of one name', () => {
    const define = () =>
      defineOp<Names<'x'>, Names<'x'>>('spec: scaled', () => ({ graph: (_, x) => x, opByOp: (x) => x }))
    expect(define).to.throw("defineOp: there is an op 'spec: scaled' already")
  })
})
