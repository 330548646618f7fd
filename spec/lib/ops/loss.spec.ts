/** Next-token loss against its formula in double precision, padding left out. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { meanLoss, tokenLosses } from '../../../lib/ops/loss.js'
import { Tokens } from '../../../lib/tokens/tokens.js'
import { expectClose, tolerances } from '../../support/close.js'
import { refusalOf } from '../../support/refusal.js'
import { normalTensor } from '../../support/slope.js'

/** −log p(row[p + 1]) at each p, by the definition. */
function plainLosses(logits: number[][], row: readonly number[]): number[] {
  return row.slice(1).map((next, p) => {
    const at = logits[p]!
    return Math.log(at.reduce((sum, x) => sum + Math.exp(x), 0)) - at[next]!
  })
}

const mean = (xs: readonly number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length

describe('lib/ops/loss', () => {
  const full = new Tokens([
    [3, 0, 2, 1],
    [4, 4, 0, 3],
  ])

  it('is −log p of each next token, and their mean', () => {
    tf.tidy(() => {
      const logits = normalTensor([2, 4, 5], 1).mul(3) as tf.Tensor3D
      const expected = logits.arraySync().flatMap((rows, b) => plainLosses(rows, full.rows[b]!))
      const losses = tokenLosses(logits, full)
      expect(losses.shape).to.deep.equal([2, 3])
      expectClose(losses, expected, tolerances.op)
      expectClose(meanLoss(logits, full), [mean(expected)], tolerances.op)
    })
  })

  for (const side of ['left', 'right'] as const) {
    it(`leaves out every pair with ${side} padding, and weighs prompts by their tokens`, () => {
      const prompts = [[3, 0, 2, 1], [4, 2], [1]]
      const tokens = Tokens.padded(prompts, 0, side)
      tf.tidy(() => {
        const logits = normalTensor([3, 4, 5], 2) as tf.Tensor3D
        const real = logits.arraySync().flatMap((rows, b) => {
          const length = prompts[b]!.length
          const begin = side === 'left' ? 4 - length : 0
          return plainLosses(rows.slice(begin, begin + length), prompts[b]!)
        })
        expect(real).to.have.length(4)
        expectClose(meanLoss(logits, tokens), [mean(real)], tolerances.op)
        expect(tokenLosses(logits, tokens).shape).to.deep.equal([3, 3])
      })
    })
  }

  it('does not overflow at large logits', () => {
    tf.tidy(() => {
      const logits = tf.tensor3d([
        [
          [500, 0, -500],
          [0, 0, 0],
        ],
      ])
      expectClose(meanLoss(logits, new Tokens([[0, 1]])), [500], 0)
    })
  })

  it('has the gradient softmax − one-hot, spread over the pairs', () => {
    tf.tidy(() => {
      const tokens = new Tokens([[1, 2, 0]])
      const logits = normalTensor([1, 3, 4], 3) as tf.Tensor3D
      const gradient = tf.grad((x) => meanLoss(x as tf.Tensor3D, tokens))(logits)
      const expected = logits.arraySync()[0]!.map((row, p) => {
        const total = row.reduce((sum, x) => sum + Math.exp(x), 0)
        return row.map((x, v) => (p === 2 ? 0 : (Math.exp(x) / total - (v === tokens.rows[0]![p + 1] ? 1 : 0)) / 2))
      })
      expectClose(gradient, expected.flat(), tolerances.op)
    })
  })

  it('is the same of many prompts, which are taken a few at a time, and so is its gradient', () => {
    const vocab = 300_000
    const tokens = new Tokens(Array.from({ length: 9 }, (_, b) => [b, 7 * b, 100_000 + b]))
    tf.tidy(() => {
      const logits = normalTensor([9, 3, vocab], 4) as tf.Tensor3D
      const weights = normalTensor([9, 2], 5)
      const parts = tokens.rows.map((_, b) => {
        const own = logits.slice([b, 0, 0], [1, -1, -1])
        const one = (x: tf.Tensor) => tokenLosses(x as tf.Tensor3D, tokens.pick([b]))
        return [one(own), tf.grad(one)(own, weights.slice([b, 0], [1, -1]))] as const
      })
      const all = (x: tf.Tensor) => tokenLosses(x as tf.Tensor3D, tokens)
      // a sum over the vocabulary is split in another way where there are more rows
      expectClose(all(logits), tf.concat(parts.map(([losses]) => losses)), tolerances.op)
      const difference = tf
        .grad(all)(logits, weights)
        .sub(tf.concat(parts.map(([, gradient]) => gradient)))
      expectClose(difference.abs().max(), [0], tolerances.op)
    })
  })

  it('refuses prompts without a next token', async () => {
    const logits = tf.zeros([2, 1, 5]) as tf.Tensor3D
    expect(await refusalOf(() => meanLoss(logits, new Tokens([[1], [2]])))).to.equal(
      'TokenError: loss: every prompt is 1 token long. A loss needs a next token to predict.',
    )
    logits.dispose()
  })
})
