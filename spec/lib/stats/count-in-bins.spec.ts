import { expect } from 'chai'
import { ArgumentError } from '../../../lib/errors/errors.js'
import { countInBins } from '../../../lib/stats/count-in-bins.js'
import { random } from '../../../lib/stats/random.js'

describe('counts in bins', () => {
  it('takes the largest value into the last bin', () => {
    expect(countInBins([0, 0.5, 1, 2, 4], 4)).to.deep.equal({
      edges: [0, 1, 2, 3, 4],
      counts: [2, 1, 1, 1],
      leftOut: 0,
    })
  })

  /** Each bin's count, found by comparing all values with its borders. */
  function counted(values: readonly number[], edges: readonly number[]): number[] {
    return edges.slice(0, -1).map((edge, bin) => {
      const upper = bin === edges.length - 2 ? Infinity : edges[bin + 1]!
      return values.filter((value) => value >= edge && value < upper).length
    })
  }

  it('counts each value between the borders it reports', () => {
    const { next } = random(1)
    const values = [0, 0.1, 0.2, 0.3, 0.6, 0.7, 1, ...Array.from({ length: 500 }, next)]
    const { edges, counts } = countInBins(values, 10, [0, 1])
    expect(counts).to.deep.equal(counted(values, edges))
  })

  it('is not misled by a division that rounds across a border, up or down', () => {
    const upper = countInBins([0.5249999999999999], 4, [0, 0.7]) // the border itself, divided 2.9999…
    expect(upper.counts).to.deep.equal([0, 0, 0, 1])
    const lower = countInBins([0.14999999999999994], 2, [-0.3, 0.6]) // just below the border, divided 1
    expect(lower.counts).to.deep.equal([1, 0])
    expect(counted([0.14999999999999994], lower.edges)).to.deep.equal(lower.counts)
    expect(counted([0.5249999999999999], upper.edges)).to.deep.equal(upper.counts)
  })

  it('says how many it left out', () => {
    const { counts, leftOut } = countInBins([NaN, -1, 0, 5, Infinity], 2, [0, 1])
    expect(counts).to.deep.equal([1, 0])
    expect(leftOut).to.equal(4)
  })

  it('makes room around values that are all the same', () => {
    expect(countInBins([3, 3], 2)).to.deep.equal({ edges: [2.5, 3, 3.5], counts: [0, 2], leftOut: 0 })
    expect(countInBins([], 1)).to.deep.equal({ edges: [0, 1], counts: [0], leftOut: 0 })
  })

  it('refuses a number of bins or a range that is none', () => {
    expect(() => countInBins([1], 0)).to.throw(ArgumentError, 'histogram: bins is 0. It must be a whole number')
    expect(() => countInBins([1], 2, [1, 1])).to.throw(
      ArgumentError,
      'range is [1, 1]. It must be finite and ascending.',
    )
  })
})
