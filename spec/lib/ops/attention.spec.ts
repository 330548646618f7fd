/** The causal mask and the softmax of attention, padded rows included. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { range } from '../../../lib/stats/range.js'
import { attentionScores, attentionSoftmax, mixValues } from '../../../lib/ops/attention.js'
import { causalMask } from '../../../lib/ops/causal-mask.js'
import { joinHeads, repeatHeads, splitHeads } from '../../../lib/ops/heads.js'
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

  it('splits heads apart and joins them again, each head’s numbers side by side', () => {
    tf.tidy(() => {
      const x = tf.range(0, 64).reshape([1, 2, 32])
      const counts = { queries: 4, keys: 2, size: 4 }
      const { q, k, v } = splitHeads(x, counts)
      expect([q.shape, k.shape, v.shape]).to.deep.equal([
        [1, 2, 4, 4],
        [1, 2, 2, 4],
        [1, 2, 2, 4],
      ])
      expectClose(q.slice([0, 1, 2, 0], [1, 1, 1, 4]), [40, 41, 42, 43], 0)
      expectClose(k.slice([0, 1, 1, 0], [1, 1, 1, 4]), [52, 53, 54, 55], 0)
      expectClose(v.slice([0, 1, 0, 0], [1, 1, 1, 4]), [56, 57, 58, 59], 0)
      const joined = (heads: ReturnType<typeof splitHeads>) =>
        tf.concat([joinHeads(heads.q), joinHeads(heads.k), joinHeads(heads.v)], -1)
      expectClose(joined({ q, k, v }), x, 0)
      const weights = normalTensor([1, 2, 32], 1)
      const gradient = tf.grad((y) => joined(splitHeads(y, counts)).mul(weights).sum())(x)
      expectClose(gradient, weights, 0)
    })
  })

  it('scores queries against keys and mixes values, head by head, over more keys than queries', () => {
    tf.tidy(() => {
      const [q, k, v] = [
        [2, 3, 2, 4],
        [2, 5, 2, 4],
        [2, 5, 2, 4],
      ].map((shape, i) => normalTensor(shape, i) as tf.Tensor4D)
      const [Q, K, V] = [q!, k!, v!].map((x) => x.arraySync())
      const scores = attentionScores({ q: q!, k: k! }, 0.5)
      expect(scores.shape).to.deep.equal([2, 2, 3, 5])
      const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
      const each = <T>(f: (b: number, h: number, i: number) => T) =>
        [0, 1].flatMap((b) => [0, 1].flatMap((h) => [0, 1, 2].flatMap((i) => f(b, h, i))))
      const keys = [0, 1, 2, 3, 4]
      expectClose(
        scores,
        each((b, h, i) => keys.map((n) => 0.5 * dot(Q![b]![i]![h]!, K![b]![n]![h]!))).flat(),
        tolerances.op,
      )
      const pattern = normalTensor([2, 2, 3, 5], 9) as tf.Tensor4D
      const weights = pattern.arraySync()
      const z = mixValues(pattern, v!)
      expect(z.shape).to.deep.equal([2, 3, 2, 4])
      const mixed = each((b, h, i) =>
        [0, 1, 2, 3].map((d) => keys.reduce((sum, n) => sum + weights[b]![h]![i]![n]! * V![b]![n]![h]![d]!, 0)),
      )
      expectClose(z.transpose([0, 2, 1, 3]), mixed.flat(), tolerances.op)
    })
  })

  it('scores and mixes several prompts as each alone, backwards too', () => {
    type Heads = tf.Tensor4D
    const shapes = { q: [4, 16, 3, 64], k: [4, 20, 3, 64], pattern: [4, 3, 16, 20], v: [4, 20, 3, 8] }
    tf.tidy(() => {
      const [q, k, pattern, v] = Object.values(shapes).map((shape, i) => normalTensor(shape, i) as Heads)
      const bias = causalMask(16, { past: 4 })
      const each = (f: (i: number) => tf.Tensor, prompts: number) => tf.concat(range(prompts).map(f))
      const one = (x: tf.Tensor, i: number) => x.slice(i, 1) as Heads
      const scores = (a: tf.Tensor, b: tf.Tensor) => attentionScores({ q: a as Heads, k: b as Heads, bias }, 0.5)
      const mixed = (a: tf.Tensor, b: tf.Tensor) => mixValues(a as Heads, b as Heads)
      for (const [f, a, b] of [
        [scores, q!, k!],
        [mixed, pattern!, v!],
      ] as const) {
        const dy = normalTensor(f(a, b).shape, 7)
        const whole = f(a, b)
        expectClose(
          whole,
          each((i) => f(one(a, i), one(b, i)), a.shape[0]),
          tolerances.layer, // sums of 64 products in another order
        )
        const [da, db] = tf.grads(f)([a, b], dy)
        const parts = range(a.shape[0]).map((i) => tf.grads(f)([one(a, i), one(b, i)], one(dy, i)))
        expectClose(da!, tf.concat(parts.map(([part]) => part!)), tolerances.layer)
        expectClose(db!, tf.concat(parts.map(([, part]) => part!)), tolerances.layer)
      }
    })
  })

  it('scores and mixes many positions as plain products do, backwards too', () => {
    tf.tidy(() => {
      const [q, k, v, dz] = [1, 2, 3, 4].map((seed) => normalTensor([2, 70, 3, 64], seed) as tf.Tensor4D)
      const swap = (x: tf.Tensor) => x.transpose([0, 2, 1, 3])
      const plain = (x: tf.Tensor, y: tf.Tensor) =>
        swap(tf.matMul(tf.matMul(swap(x), swap(y), false, true).mul(0.1).softmax(), swap(v!)))
      const ours = (x: tf.Tensor, y: tf.Tensor) =>
        mixValues(attentionSoftmax(attentionScores({ q: x as tf.Tensor4D, k: y as tf.Tensor4D }, 0.1), false), v!)
      expectClose(ours(q!, k!), plain(q!, k!), tolerances.op)
      for (const [i, gradient] of tf.grads(ours)([q!, k!], dz!).entries()) {
        expectClose(gradient, tf.grads(plain)([q!, k!], dz!)[i]!, tolerances.op)
      }
    })
  })

  it('repeats each key head for the queries that share it, and sums their gradients', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([1, 2, 3, 4], [1, 1, 2, 2])
      expectClose(repeatHeads(x, 2), [1, 2, 1, 2, 3, 4, 3, 4], 0)
      expect(repeatHeads(x, 2).shape).to.deep.equal([1, 1, 4, 2])
      expect(repeatHeads(x, 1)).to.equal(x)
      const dy = tf.tensor4d([1, 10, 2, 20, 3, 30, 4, 40], [1, 1, 4, 2])
      expectClose(tf.grad((v: tf.Tensor) => repeatHeads(v as tf.Tensor4D, 2))(x, dy), [3, 30, 7, 70], 0)
    })
  })
})
