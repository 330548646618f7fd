import { expect } from 'chai'
import { ArgumentError } from '../../../lib/errors/errors.js'
import { quantile, quantiles } from '../../../lib/stats/quantile.js'

describe('quantile', () => {
  it('interpolates between the values, as type 7 does', () => {
    expect(quantiles([4, 1, 3, 2], [0, 0.25, 0.5, 0.75, 1])).to.deep.equal([1, 1.75, 2.5, 3.25, 4])
    expect(quantile(Float32Array.of(3, 1, 2), 0.5)).to.equal(2)
    expect(quantile([7], 0.3)).to.equal(7)
  })

  it('leaves the list as it was and takes infinities', () => {
    const values = [3, 1, Infinity]
    expect(quantile(values, 1)).to.equal(Infinity)
    expect(values).to.deep.equal([3, 1, Infinity])
  })

  it('is NaN of no values and of a NaN', () => {
    expect(quantile([], 0.5)).to.deep.equal(NaN)
    expect(quantile([1, NaN, 2], 0)).to.deep.equal(NaN)
  })

  it('refuses a q that is no part', () => {
    expect(() => quantile([1], 1.5)).to.throw(ArgumentError, 'quantile: q is 1.5. It must lie between 0 and 1.')
    expect(() => quantile([1], NaN)).to.throw(ArgumentError, 'q is NaN')
  })
})
