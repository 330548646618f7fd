/** Moments from sums of powers, against closed forms and numbers far from 0. */
import { expect } from 'chai'
import { kurtosis, mean, skewness, standardDeviation } from '../../../lib/stats/moments.js'
import { random } from '../../../lib/stats/random.js'
import { momentsOf, type Moments, type PowerSums } from '../../../lib/stats/row-moments.js'

/** Of a row, its powers summed beyond the mean of its first 32. */
function moments(row: Float32Array): Moments {
  const first = row.subarray(0, 2 ** Math.floor(Math.log2(Math.min(32, row.length))))
  const origin = mean(first)
  const sums = [1, 2, 3, 4].map((power) => row.reduce((sum, value) => sum + (value - origin) ** power, 0))
  return momentsOf(row.length, sums as unknown as PowerSums, origin)
}

describe('moments of a row', () => {
  it('have closed forms', () => {
    // of a coin with P(1) = p: skewness (1 − 2p) / √(p(1 − p)), kurtosis 3 + (1 − 6p(1 − p)) / (p(1 − p)); p = 1/4
    for (const { mean, std, skewness, kurtosis } of [
      moments(Float32Array.of(0, 1, 0, 0)),
      momentsOf(4, [1, 1, 1, 1]),
    ]) {
      expect(mean).to.equal(0.25)
      expect(std).to.be.closeTo(Math.sqrt(3 / 16), 1e-15)
      expect(skewness).to.be.closeTo(2 / Math.sqrt(3), 1e-14)
      expect(kurtosis).to.be.closeTo(7 / 3, 1e-14)
    }
  })

  it('are those of the plain formulas, also far from 0', () => {
    const { normal } = random(4)
    for (const offset of [0, 1000]) {
      const row = Float32Array.from({ length: 5000 }, () => offset + normal() ** 3)
      const found = moments(row)
      expect(found.mean).to.be.closeTo(mean(row), 1e-12 * (1 + offset))
      expect(found.std).to.be.closeTo(standardDeviation(row), 1e-11)
      expect(found.skewness).to.be.closeTo(skewness(row), 1e-9)
      expect(found.kurtosis).to.be.closeTo(kurtosis(row), 1e-9)
    }
  })

  it('of a constant row are its value and zeros, exactly', () => {
    for (const value of [0, 0.1, -3e7]) {
      const expected = { mean: Math.fround(value), std: 0, skewness: 0, kurtosis: 0 }
      expect(moments(new Float32Array(50257).fill(value))).to.deep.equal(expected)
    }
  })

  it('of NaN are NaN', () => {
    expect(Object.values(moments(Float32Array.of(1, NaN, 2))).every(Number.isNaN)).to.equal(true)
  })
})
