/** LayerNorm: its numbers, its hook points, its gradient. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { makeAt, noTaps, silent, type HookFunction } from '../../../lib/core/hooks.js'
import { layerNorm } from '../../../lib/ops/layer-norm.js'
import { expectClose, tolerances } from '../../support/close.js'
import { dotProduct, normalTensor, slopeAtZero } from '../../support/slope.js'

const eps = 0.5 // large, so that leaving it out shows

function plain(rows: number[][], weight: number[], bias: number[]): { scale: number[]; out: number[] } {
  const scale: number[] = []
  const out = rows.flatMap((row) => {
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length
    const centred = row.map((x) => x - mean)
    const s = Math.sqrt(centred.reduce((sum, x) => sum + x * x, 0) / row.length + eps)
    scale.push(s)
    return centred.map((x, i) => (x / s) * weight[i]! + bias[i]!)
  })
  return { scale, out }
}

const rows = [
  [1, 2, 4, -3],
  [0.5, 0.5, 0.5, 0.5],
  [-2, 7, 0, 1],
]
const weight = [1, -2, 0.5, 3]
const bias = [0.1, 0.2, -0.3, 0]
const ones = [1, 1, 1, 1]
const zeros = [0, 0, 0, 0]

describe('lib/ops/layer-norm', () => {
  it('centres, divides by sqrt(variance + eps), then scales and shifts', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(rows)
      expectClose(
        layerNorm(x, eps, silent, tf.tensor1d(weight), tf.tensor1d(bias)),
        plain(rows, weight, bias).out,
        1e-6,
      )
      expectClose(layerNorm(x, eps, silent), plain(rows, ones, zeros).out, 1e-6, 'folded')
    })
  })

  it('shows scale [...,1] and what it divides by, before weight and bias', () => {
    const seen: Record<string, number[]> = {}
    const see: HookFunction = (x: tf.Tensor, { name }) => {
      seen[name] = Array.from(x.dataSync())
      expect(x.shape, name).to.deep.equal(name === 'hook_scale' ? [3, 1] : [3, 4])
    }
    const at = makeAt({ ...noTaps, hooks: new Map(['hook_scale', 'hook_normalized'].map((name) => [name, [see]])) })
    tf.tidy(() => void layerNorm(tf.tensor2d(rows), eps, at, tf.tensor1d(weight), tf.tensor1d(bias)))
    expect(Object.keys(seen)).to.deep.equal(['hook_scale', 'hook_normalized'])
    const { scale, out } = plain(rows, ones, zeros)
    expectClose(seen['hook_scale']!, scale, 1e-6)
    expectClose(seen['hook_normalized']!, out, 1e-6)
  })

  it('divides by a scale that a hook put in', () => {
    const at = makeAt({ ...noTaps, hooks: new Map([['hook_scale', [() => tf.fill([1, 1], 2)]]]) })
    tf.tidy(() => expectClose(layerNorm(tf.tensor2d([[1, 3]]), eps, at), [-0.5, 0.5], 0))
  })

  it('is the same, with the same gradient, whether its points are watched or not', () => {
    tf.tidy(() => {
      const [x, dy] = [normalTensor([3, 5, 8], 1), normalTensor([3, 5, 8], 2)]
      const watching = makeAt({ ...noTaps, hooks: new Map([['hook_normalized', [() => undefined]]]) })
      const [watched, unwatched] = [watching, silent].map((at) => {
        const norm = (v: tf.Tensor) => layerNorm(v, eps, at)
        return { value: norm(x), gradient: tf.grad((v) => norm(v).mul(dy).sum())(x) }
      })
      expectClose(unwatched!.value, watched!.value, 0)
      expectClose(unwatched!.gradient, watched!.gradient, tolerances.op)
    })
  })

  it('has the gradient of its formula', () => {
    tf.tidy(() => {
      const [x, dy, direction] = [1, 2, 3].map((seed) => normalTensor([2, 3, 6], seed))
      const [w, b] = [normalTensor([6], 4), normalTensor([6], 5)]
      const gradient = tf.grad((v) => layerNorm(v, eps, silent, w, b))(x!, dy)
      const along = (t: number) => dotProduct(layerNorm(x!.add(direction!.mul(t)), eps, silent, w, b), dy!)
      expectClose([dotProduct(gradient, direction!)], [slopeAtZero(along, 0.05)], tolerances.derivative)
    })
  })
})
