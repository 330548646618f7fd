import { expect } from 'chai'
import { ArgumentError } from '../../../lib/errors/errors.js'
import { pearson, ranks, spearman } from '../../../lib/stats/correlation.js'

describe('correlation', () => {
  // Anscombe's first data set (1973), whose r is published as 0.816.
  const anscombeX = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
  const anscombeY = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]

  it('gives the published r of the first data set of Anscombe', () => {
    // Sums of squares: Sxy = 55.01, Sxx = 110, Syy = 41.27269…; r = Sxy / sqrt(Sxx · Syy), to float64's digits.
    expect(pearson(anscombeX, anscombeY)).to.be.closeTo(0.81642051634484, 1e-12)
  })

  it('does not change under scaling and shifting, and turns its sign with one list', () => {
    const r = pearson(anscombeX, anscombeY)
    const scaled = anscombeX.map((x) => 1000 - 3 * x)
    expect(pearson(scaled, anscombeY)).to.be.closeTo(-r, 1e-14) // a rounding error or two
  })

  it('never leaves [-1, 1]', () => {
    const x = Array.from({ length: 1000 }, (_, i) => Math.sin(i) / 3)
    expect(pearson(x, x)).to.be.within(1 - 1e-15, 1)
  })

  it('is NaN where it is not defined, also for equal values whose mean is rounded', () => {
    expect(pearson([0.1, 0.1, 0.1], [1, 2, 3])).to.deep.equal(NaN)
    expect(spearman([1, 2, 3], [5, 5, 5])).to.deep.equal(NaN)
    expect(pearson([1], [2])).to.deep.equal(NaN)
    expect(pearson([1, NaN, 3], [1, 2, 3])).to.deep.equal(NaN)
    expect(spearman([1, NaN, 3], [1, 2, 3])).to.deep.equal(NaN)
  })

  it('lets equal values share the mean of their ranks', () => {
    expect([...ranks([10, 20, 20, 5, 20])]).to.deep.equal([2, 4, 4, 1, 4])
  })

  it('gives a textbook rank correlation: 1 - 6 Σd² / n(n² - 1) with Σd² = 194, n = 10', () => {
    const x = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    const y = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    expect(spearman(x, y)).to.be.closeTo(1 - (6 * 194) / 990, 1e-14)
    expect(spearman([1, 2, 3, 4], [1, 10, 100, 1000])).to.equal(1)
  })

  it('refuses lists of different lengths', () => {
    expect(() => pearson([1, 2], [1])).to.throw(ArgumentError, 'pearson: x has 2 values and y has 1.')
    expect(() => spearman([1, 2], [1])).to.throw(ArgumentError, 'spearman: x has 2 values and y has 1.')
  })
})
