/** RMSNorm: its numbers, its hook points, its gradient. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { makeAt, noTaps, silent, type HookFunction } from '../../../lib/core/hooks.js'
import { rmsNorm } from '../../../lib/ops/rms-norm.js'
import { expectClose, tolerances } from '../../support/close.js'
import { dotProduct, normalTensor, slopeAtZero } from '../../support/slope.js'

const eps = 0.5 // large, so that leaving it out shows
const rows = [
  [1, 2, 4, -3],
  [0, 0, 0, 0],
  [-2, 7, 0, 1],
]
const weight = [1, -2, 0.5, 3]

function plain(w: readonly number[]): { scale: number[]; out: number[] } {
  const scale = rows.map((row) => Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length + eps))
  return { scale, out: rows.flatMap((row, r) => row.map((x, i) => (x / scale[r]!) * w[i]!)) }
}

describe('lib/ops/rms-norm', () => {
  it('divides by sqrt(mean of squares + eps), without centring, then multiplies', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(rows)
      expectClose(rmsNorm(x, eps, silent, tf.tensor1d(weight)), plain(weight).out, tolerances.op)
      expectClose(rmsNorm(x, eps, silent), plain([1, 1, 1, 1]).out, tolerances.op, 'folded')
    })
  })

  it('shows scale [...,1] and what it divides by, before the weight', () => {
    const seen: Record<string, tf.Tensor> = {}
    const see: HookFunction = (x: tf.Tensor, { name }) => void (seen[name] = tf.keep(x.clone()))
    const at = makeAt({ ...noTaps, hooks: new Map(['hook_scale', 'hook_normalized'].map((name) => [name, [see]])) })
    tf.tidy(() => {
      rmsNorm(tf.tensor2d(rows), eps, at, tf.tensor1d(weight))
      expect(Object.entries(seen).map(([name, x]) => [name, x.shape])).to.deep.equal([
        ['hook_scale', [3, 1]],
        ['hook_normalized', [3, 4]],
      ])
      expectClose(seen['hook_scale']!, plain(weight).scale, tolerances.op)
      expectClose(seen['hook_normalized']!, plain([1, 1, 1, 1]).out, tolerances.op)
    })
    tf.dispose(seen)
  })

  it('divides by a scale that a hook put in', () => {
    const at = makeAt({ ...noTaps, hooks: new Map([['hook_scale', [() => tf.fill([1, 1], 2)]]]) })
    tf.tidy(() => expectClose(rmsNorm(tf.tensor2d([[1, 3]]), eps, at), [0.5, 1.5], 0))
  })

  it('is the same, with the same gradient, whether its points are watched or not', () => {
    tf.tidy(() => {
      const [x, dy] = [normalTensor([3, 5, 8], 1), normalTensor([3, 5, 8], 2)]
      const watching = makeAt({ ...noTaps, hooks: new Map([['hook_normalized', [() => undefined]]]) })
      const [watched, unwatched] = [watching, silent].map((at) => {
        const norm = (v: tf.Tensor) => rmsNorm(v, eps, at)
        return { value: norm(x), gradient: tf.grad((v) => norm(v).mul(dy).sum())(x) }
      })
      expectClose(unwatched!.value, watched!.value, 0)
      expectClose(unwatched!.gradient, watched!.gradient, tolerances.op)
    })
  })

  it('has the gradient of its formula', () => {
    tf.tidy(() => {
      const [x, dy, direction] = [1, 2, 3].map((seed) => normalTensor([2, 3, 6], seed))
      const w = normalTensor([6], 4)
      const gradient = tf.grad((v) => rmsNorm(v, eps, silent, w))(x!, dy)
      const along = (t: number) => dotProduct(rmsNorm(x!.add(direction!.mul(t)), eps, silent, w), dy!)
      expectClose([dotProduct(gradient, direction!)], [slopeAtZero(along, 0.05)], tolerances.derivative)
    })
  })
})
