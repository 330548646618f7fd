/** The causal mask and the softmax of attention, padded rows included. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { attentionSoftmax, causalMask } from '../../../lib/ops/attention.js'
import { expectClose, tolerances } from '../../support/close.js'
import { normalTensor } from '../../support/slope.js'

const no = -Infinity

function plainSoftmax(row: readonly number[]): number[] {
  const exps = row.map(Math.exp)
  const sum = exps.reduce((total, e) => total + e, 0)
  return exps.map((e) => (sum === 0 ? 0 : e / sum))
}

describe('lib/ops/attention', () => {
  it('masks what lies ahead, for all prompts at once', () => {
    const mask = causalMask(3)
    expect(mask.shape).to.deep.equal([1, 1, 3, 3])
    expect(mask.arraySync()[0]![0]).to.deep.equal([
      [0, no, no],
      [0, 0, no],
      [0, 0, 0],
    ])
    mask.dispose()
  })

  it('masks padding for each prompt, on either side', () => {
    const real = [
      [0, 1, 1],
      [1, 1, 0],
      [1, 1, 1],
    ]
    const mask = causalMask(3, { mask: real })
    expect(mask.shape).to.deep.equal([3, 1, 3, 3])
    const rows = mask.arraySync().map((prompt) => prompt[0])
    mask.dispose()
    const left = [
      [no, no, no],
      [no, 0, no],
      [no, 0, 0],
    ]
    const right = [
      [0, no, no],
      [0, 0, no],
      [0, 0, no],
    ]
    const full = [
      [0, no, no],
      [0, 0, no],
      [0, 0, 0],
    ]
    expect(rows).to.deep.equal([left, right, full])
  })

  it('lets queries behind earlier positions see those too, and a window only the last ones', () => {
    const after = causalMask(2, { past: 2 })
    expect(after.arraySync()[0]![0]).to.deep.equal([
      [0, 0, 0, no],
      [0, 0, 0, 0],
    ])
    const local = causalMask(2, { past: 2, window: 2 })
    expect(local.arraySync()[0]![0]).to.deep.equal([
      [no, 0, 0, no],
      [no, no, 0, 0],
    ])
    tf.dispose([after, local])
  })

  const rows = [
    [no, no, no],
    [1, no, no],
    [0.5, -2, 3],
  ]
  for (const hasPadding of [false, true]) {
    it(`is the softmax over keys ${hasPadding ? 'with' : 'without'} padding`, () => {
      const used = hasPadding ? rows : rows.slice(1)
      tf.tidy(() => {
        const pattern = attentionSoftmax(tf.tensor4d([[used]]), hasPadding)
        expect(pattern.shape).to.deep.equal([1, 1, used.length, 3])
        expectClose(pattern, used.flatMap(plainSoftmax), tolerances.op)
      })
    })
  }

  it('passes no gradient through a query that may look nowhere, and the exact one through others', () => {
    const dy = [
      [5, -7, 2],
      [1, 2, 3],
      [-1, 0.5, 2],
    ]
    const expected = rows.flatMap((row, q) => {
      const p = plainSoftmax(row)
      const mean = p.reduce((sum, x, k) => sum + x * dy[q]![k]!, 0)
      return p.map((x, k) => x * (dy[q]![k]! - mean))
    })
    tf.tidy(() => {
      const gradient = tf.grad((s: tf.Tensor) => attentionSoftmax(s as tf.Tensor4D, true))(
        tf.tensor4d([[rows]]),
        tf.tensor4d([[dy]]),
      )
      expectClose(gradient, expected, tolerances.op)
      expectClose(gradient.slice([0, 0, 0, 0], [1, 1, 1, 3]), [0, 0, 0], 0)
    })
  })

  it('leaves no NaN upstream of a padded query', () => {
    tf.tidy(() => {
      const q = normalTensor([1, 1, 3, 4], 1)
      const bias = tf.tensor4d([[rows.map((row) => row.map((x) => (x === no ? no : 0)))]])
      const weights = normalTensor([1, 1, 3, 3], 2)
      const objective = (x: tf.Tensor) => {
        const scores = tf.matMul(x as tf.Tensor4D, x as tf.Tensor4D, false, true).add<tf.Tensor4D>(bias)
        return attentionSoftmax(scores, true).mul(weights).sum()
      }
      const gradient = tf.grad(objective)(q).dataSync()
      expect(Array.from(gradient).every(Number.isFinite)).to.equal(true)
      expect(gradient.some((g) => Math.abs(g) > 0.01)).to.equal(true)
    })
  })
})
