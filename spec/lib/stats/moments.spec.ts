import { expect } from 'chai'
import { kurtosis, mean, skewness, standardDeviation, variance } from '../../../lib/stats/moments.js'

describe('moments', () => {
  // Mean 5, deviations in standard deviations: -1.5, three times -0.5, 0, 0, 1, 2. All figures below are exact.
  const values = Float32Array.of(2, 4, 4, 4, 5, 5, 7, 9)

  it('gives the population figures of a list worked out by hand', () => {
    expect(mean(values)).to.equal(5)
    expect(variance(values)).to.equal(4)
    expect(standardDeviation(values)).to.equal(2)
    expect(skewness(values)).to.equal(5.25 / 8)
    expect(kurtosis(values)).to.equal(22.25 / 8)
  })

  it('sums in float64, where float32 would lose what is small beside what is large', () => {
    expect(mean(Float32Array.of(2 ** 24, 1, 1, 1, 1))).to.equal((2 ** 24 + 4) / 5)
  })

  it('has no skewness or kurtosis of equal values, and no mean of none', () => {
    expect(skewness([3, 3, 3])).to.deep.equal(NaN)
    expect(kurtosis([3, 3, 3])).to.deep.equal(NaN)
    expect(mean([])).to.deep.equal(NaN)
    expect(variance([])).to.deep.equal(NaN)
  })
})
