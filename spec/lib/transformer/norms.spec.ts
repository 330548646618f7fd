/** LayerNorm and RMSNorm: their numbers, their hook points, their gradients. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { makeAt, noTaps, silent, type HookFunction } from '../../../lib/core/hooks.js'
import { layerNorm, rmsNorm } from '../../../lib/transformer/norms.js'
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

describe('lib/transformer/norms: LayerNorm', () => {
  it('centres, divides by sqrt(variance + eps), then scales and shifts', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(rows)
      expectClose(
        layerNorm(x, { eps, at: silent, w: tf.tensor1d(weight), b: tf.tensor1d(bias) }),
        plain(rows, weight, bias).out,
        1e-6,
      )
      expectClose(layerNorm(x, { eps, at: silent }), plain(rows, ones, zeros).out, 1e-6, 'folded')
    })
  })

  it('shows scale [...,1] and what it divides by, before weight and bias', () => {
    const seen: Record<string, number[]> = {}
    const see: HookFunction = (x: tf.Tensor, { name }) => {
      seen[name] = Array.from(x.dataSync())
      expect(x.shape, name).to.deep.equal(name === 'hook_scale' ? [3, 1] : [3, 4])
    }
    const at = makeAt({ ...noTaps, hooks: new Map(['hook_scale', 'hook_normalized'].map((name) => [name, [see]])) })
    tf.tidy(() => void layerNorm(tf.tensor2d(rows), { eps, at, w: tf.tensor1d(weight), b: tf.tensor1d(bias) }))
    expect(Object.keys(seen)).to.deep.equal(['hook_scale', 'hook_normalized'])
    const { scale, out } = plain(rows, ones, zeros)
    expectClose(seen['hook_scale']!, scale, 1e-6)
    expectClose(seen['hook_normalized']!, out, 1e-6)
  })

  it('divides by a scale that a hook put in', () => {
    const at = makeAt({ ...noTaps, hooks: new Map([['hook_scale', [() => tf.fill([1, 1], 2)]]]) })
    tf.tidy(() => expectClose(layerNorm(tf.tensor2d([[1, 3]]), { eps, at }), [-0.5, 0.5], 0))
  })

  it('is the same, with the same gradient, whether its points are watched or not', () => {
    tf.tidy(() => {
      const [x, dy] = [normalTensor([3, 5, 8], 1), normalTensor([3, 5, 8], 2)]
      const watching = makeAt({ ...noTaps, hooks: new Map([['hook_normalized', [() => undefined]]]) })
      const [watched, unwatched] = [watching, silent].map((at) => {
        const norm = (v: tf.Tensor) => layerNorm(v, { eps, at })
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
      const gradient = tf.grad((v) => layerNorm(v, { eps, at: silent, w: w, b: b }))(x!, dy)
      const along = (t: number) =>
        dotProduct(layerNorm(x!.add(direction!.mul(t)), { eps, at: silent, w: w, b: b }), dy!)
      expectClose([dotProduct(gradient, direction!)], [slopeAtZero(along, 0.05)], tolerances.derivative)
    })
  })
})

const rmsRows = [
  [1, 2, 4, -3],
  [0, 0, 0, 0],
  [-2, 7, 0, 1],
]
const rmsWeight = [1, -2, 0.5, 3]

function plainRms(w: readonly number[]): { scale: number[]; out: number[] } {
  const scale = rmsRows.map((row) => Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length + eps))
  return { scale, out: rmsRows.flatMap((row, r) => row.map((x, i) => (x / scale[r]!) * w[i]!)) }
}

describe('lib/transformer/norms: RMSNorm', () => {
  it('divides by sqrt(mean of squares + eps), without centring, then multiplies', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(rmsRows)
      expectClose(rmsNorm(x, { eps, at: silent, w: tf.tensor1d(rmsWeight) }), plainRms(rmsWeight).out, tolerances.op)
      expectClose(rmsNorm(x, { eps, at: silent }), plainRms([1, 1, 1, 1]).out, tolerances.op, 'folded')
    })
  })

  it('shows scale [...,1] and what it divides by, before the weight', () => {
    const seen: Record<string, tf.Tensor> = {}
    const see: HookFunction = (x: tf.Tensor, { name }) => void (seen[name] = tf.keep(x.clone()))
    const at = makeAt({ ...noTaps, hooks: new Map(['hook_scale', 'hook_normalized'].map((name) => [name, [see]])) })
    tf.tidy(() => {
      rmsNorm(tf.tensor2d(rmsRows), { eps, at, w: tf.tensor1d(rmsWeight) })
      expect(Object.entries(seen).map(([name, x]) => [name, x.shape])).to.deep.equal([
        ['hook_scale', [3, 1]],
        ['hook_normalized', [3, 4]],
      ])
      expectClose(seen['hook_scale']!, plainRms(rmsWeight).scale, tolerances.op)
      expectClose(seen['hook_normalized']!, plainRms([1, 1, 1, 1]).out, tolerances.op)
    })
    tf.dispose(seen)
  })

  it('divides by a scale that a hook put in', () => {
    const at = makeAt({ ...noTaps, hooks: new Map([['hook_scale', [() => tf.fill([1, 1], 2)]]]) })
    tf.tidy(() => expectClose(rmsNorm(tf.tensor2d([[1, 3]]), { eps, at }), [0.5, 1.5], 0))
  })

  it('is the same, with the same gradient, whether its points are watched or not', () => {
    tf.tidy(() => {
      const [x, dy] = [normalTensor([3, 5, 8], 1), normalTensor([3, 5, 8], 2)]
      const watching = makeAt({ ...noTaps, hooks: new Map([['hook_normalized', [() => undefined]]]) })
      const [watched, unwatched] = [watching, silent].map((at) => {
        const norm = (v: tf.Tensor) => rmsNorm(v, { eps, at })
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
      const gradient = tf.grad((v) => rmsNorm(v, { eps, at: silent, w: w }))(x!, dy)
      const along = (t: number) => dotProduct(rmsNorm(x!.add(direction!.mul(t)), { eps, at: silent, w: w }), dy!)
      expectClose([dotProduct(gradient, direction!)], [slopeAtZero(along, 0.05)], tolerances.derivative)
    })
  })
})
