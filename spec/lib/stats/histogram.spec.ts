import { expect } from 'chai'
import { ArgumentError } from '../../../lib/errors.js'
import { histogram } from '../../../lib/stats/histogram.js'
import { random } from '../../../lib/stats/random.js'

describe('histogram', () => {
  it('takes the largest value into the last bin', () => {
    expect(histogram([0, 0.5, 1, 2, 4], 4)).to.deep.equal({ edges: [0, 1, 2, 3, 4], counts: [2, 1, 1, 1], leftOut: 0 })
  })

  it('counts each value between the borders it reports, also where division rounds across one', () => {
    const { next } = random(1)
    const tenths = Array.from({ length: 11 }, (_, i) => i / 10)
    const values = [...tenths, ...Array.from({ length: 500 }, next)]
    const { edges, counts } = histogram(values, 10, [0, 1])
    const expected = counts.map((_, bin) => {
      const upper = bin === 9 ? Infinity : edges[bin + 1]!
      return values.filter((value) => value >= edges[bin]! && value < upper).length
    })
    expect(counts).to.deep.equal(expected)
  })

  it('says how many it left out', () => {
    const { counts, leftOut } = histogram([NaN, -1, 0, 5, Infinity], 2, [0, 1])
    expect(counts).to.deep.equal([1, 0])
    expect(leftOut).to.equal(4)
  })

  it('makes room around values that are all the same', () => {
    expect(histogram([3, 3], 2)).to.deep.equal({ edges: [2.5, 3, 3.5], counts: [0, 2], leftOut: 0 })
    expect(histogram([], 1)).to.deep.equal({ edges: [0, 1], counts: [0], leftOut: 0 })
  })

  it('refuses a number of bins or a range that is none', () => {
    expect(() => histogram([1], 0)).to.throw(ArgumentError, 'histogram: bins is 0. It must be a whole number')
    expect(() => histogram([1], 2, [1, 1])).to.throw(ArgumentError, 'range is [1, 1]. It must be finite and ascending.')
  })
})
