/** Rotary positions against complex numbers in double precision, and the laws they are made for. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { rotaryFrequencies, rotaryTables, rotate } from '../../../lib/ops/rotary.js'
import { expectClose, tolerances } from '../../support/close.js'
import { dotProduct, normalTensor, slopeAtZero } from '../../support/slope.js'

/** A head's numbers i and i + half as one complex number, turned by position · frequency. */
function turned(head: readonly number[], position: number, frequencies: readonly number[]): number[] {
  const half = frequencies.length
  const out = [...head]
  frequencies.forEach((frequency, i) => {
    const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)]
    out[i] = head[i]! * cos - head[i + half]! * sin
    out[i + half] = head[i]! * sin + head[i + half]! * cos
  })
  return out
}

const x = () => normalTensor([2, 5, 3, 8], 1) as tf.Tensor4D // [B,P,H,K]

/** x with each position turned, the first `dimensions` of each head. */
function expected(positions: readonly (readonly number[])[], frequencies: readonly number[]): number[] {
  const values = tf.tidy(() => x().arraySync())
  return values.flatMap((prompt, b) =>
    prompt.flatMap((heads, p) => heads.flatMap((head) => turned(head, positions[b]![p]!, frequencies))),
  )
}

describe('lib/ops/rotary', () => {
  const plain = [0, 1, 2, 3, 4]
  const whole = [1, 100 ** -0.25, 100 ** -0.5, 100 ** -0.75]

  it('turns dimension i with i + R/2 by position · base^(−2i/R)', () => {
    expectClose(rotaryFrequencies({ dimensions: 8, base: 100 }), whole, 1e-15)
    expectClose(rotaryFrequencies({ dimensions: 4 }), [1, 0.01], 1e-15, 'base 10000')
    tf.tidy(() => {
      const tables = rotaryTables(5, { dimensions: 8, base: 100 })
      expect(tables.cos.shape).to.deep.equal([1, 5, 1, 4])
      expectClose(rotate(x(), tables), expected([plain, plain], whole), tolerances.op)
    })
  })

  it('leaves the dimensions behind the rotated ones as they are', () => {
    tf.tidy(() => {
      const part = rotate(x(), rotaryTables(5, { dimensions: 4, base: 100 }))
      expectClose(part, expected([plain, plain], [1, 0.1]), tolerances.op)
      expectClose(part.slice([0, 0, 0, 4]), x().slice([0, 0, 0, 4]), 0)
    })
  })

  it('counts real tokens only, and goes on behind earlier positions', () => {
    const mask = [
      [0, 0, 1, 1, 1],
      [1, 1, 1, 0, 0],
    ]
    const counted = [
      [0, 0, 0, 1, 2],
      [0, 1, 2, 2, 2],
    ]
    const options = { dimensions: 8, base: 100 }
    tf.tidy(() => {
      expectClose(rotate(x(), rotaryTables(5, { ...options, mask })), expected(counted, whole), tolerances.op)
      const later = [7, 8, 9, 10, 11]
      expectClose(rotate(x(), rotaryTables(5, { ...options, past: 7 })), expected([later, later], whole), tolerances.op)
      const longer = [[0, ...mask[0]!], [1, ...mask[1]!]] // prettier-ignore
      const shifted = [counted[0]!, [1, 2, 3, 3, 3]]
      const tables = rotaryTables(5, { ...options, mask: longer, past: 1 })
      expectClose(rotate(x(), tables), expected(shifted, whole), tolerances.op)
    })
  })

  it('is exact far out: angles are computed in double precision', () => {
    tf.tidy(() => {
      const { cos, sin } = rotaryTables(1, { dimensions: 2, past: 131071 })
      expectClose(cos, [Math.cos(131071)], 1e-7)
      expectClose(sin, [Math.sin(131071)], 1e-7)
    })
  })

  it('keeps lengths, and makes products depend on the distance alone', () => {
    tf.tidy(() => {
      const [q, k] = [normalTensor([1, 1, 1, 8], 2), normalTensor([1, 1, 1, 8], 3)] as [tf.Tensor4D, tf.Tensor4D]
      const at = (v: tf.Tensor4D, past: number) => rotate(v, rotaryTables(1, { dimensions: 8, base: 100, past }))
      expectClose([dotProduct(at(q, 9), at(q, 9))], [dotProduct(q, q)], 1e-5)
      expectClose([dotProduct(at(q, 9), at(k, 4))], [dotProduct(at(q, 25), at(k, 20))], 1e-5)
      expect(Math.abs(dotProduct(at(q, 9), at(k, 4)) - dotProduct(at(q, 9), at(k, 5)))).to.be.greaterThan(0.01)
    })
  })

  it('has the gradient of turning back', () => {
    tf.tidy(() => {
      const tables = rotaryTables(5, { dimensions: 4, base: 100 })
      const [dy, direction] = [normalTensor([2, 5, 3, 8], 4), normalTensor([2, 5, 3, 8], 5)]
      const gradient = tf.grad((v: tf.Tensor) => rotate(v as tf.Tensor4D, tables))(x(), dy)
      const along = (t: number) => dotProduct(rotate(x().add(direction.mul(t)), tables), dy)
      expectClose([dotProduct(gradient, direction)], [slopeAtZero(along, 0.05)], tolerances.derivative)
    })
  })

  it('stretches as Llama 3.1: long waves by the factor, short ones not, a mixture between', () => {
    // Llama-3.1-8B: heads of 128, base 500000
    const stretch = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContext: 8192 }
    const plainOnes = rotaryFrequencies({ dimensions: 128, base: 500000 })
    const stretched = rotaryFrequencies({ dimensions: 128, base: 500000, stretch })
    const kinds = plainOnes.map((frequency, i) => {
      const wave = (2 * Math.PI) / frequency
      if (wave < 8192 / 4) {
        expect(stretched[i]).to.equal(frequency)
        return 'short'
      }
      if (wave > 8192) {
        expectClose([stretched[i]!], [frequency / 8], 1e-18)
        return 'long'
      }
      const smooth = (8192 / wave - 1) / (4 - 1)
      expectClose([stretched[i]!], [((1 - smooth) * frequency) / 8 + smooth * frequency], 1e-15)
      return 'between'
    })
    // waves of 2π · 500000^(i/64) tokens: below 2048 up to i = 28, above 8192 from i = 35
    const count = (kind: string) => kinds.filter((k) => k === kind).length
    expect(['short', 'between', 'long'].map(count)).to.deep.equal([29, 6, 29])
  })
})
