import { expect } from 'chai'
import { boxSummary } from '../../../lib/stats/box-summary.js'
import { random } from '../../../lib/stats/random.js'

describe('box-summary', () => {
  it('finds quartiles, whiskers and outliers', () => {
    // Quartiles 2 and 4, so that the whiskers may reach from -1 to 7.
    expect(boxSummary([100, 3, 1, -50, 2, 4, 7])).to.deep.include({ q1: 1.5, median: 3, q3: 5.5 })
    expect(boxSummary([4, 3, 100, 1, 2])).to.deep.equal({
      ...{ q1: 2, median: 3, q3: 4, low: 1, high: 4 },
      ...{ below: [], above: [2] },
    })
  })

  it('counts a value at 1.5 interquartile ranges as inside', () => {
    // Quartiles 2 and 4 again: 7 is just inside, the next larger number is not.
    expect(boxSummary([1, 2, 3, 4, 7])).to.deep.include({ high: 7, above: [] })
    expect(boxSummary([1, 2, 3, 4, 7.001])).to.deep.include({ high: 4, above: [4] })
    expect(boxSummary([-1.001, 2, 3, 4, 5])).to.deep.include({ low: 2, below: [0] })
  })

  it('puts each value inside the whiskers or among the outliers, those by size', () => {
    const { normal } = random(4)
    const values = Float32Array.from({ length: 5000 }, () => normal() ** 3)
    const { q1, q3, low, high, below, above } = boxSummary(values)
    const inside = values.filter((value) => value >= q1 - 1.5 * (q3 - q1) && value <= q3 + 1.5 * (q3 - q1))
    expect(inside.length + below.length + above.length).to.equal(5000)
    expect([low, high]).to.deep.equal([Math.min(...inside), Math.max(...inside)])
    const sorted = [...values].sort((a, b) => a - b)
    expect(below.map((i) => values[i])).to.deep.equal(sorted.slice(0, below.length))
    expect(above.map((i) => values[i])).to.deep.equal(sorted.slice(-above.length))
  })

  it('takes a constant, one number and none', () => {
    const flat = { q1: 5, median: 5, q3: 5, low: 5, high: 5, below: [], above: [] }
    expect(boxSummary([5, 5, 5])).to.deep.equal(flat)
    expect(boxSummary([5])).to.deep.equal(flat)
    expect(boxSummary([])).to.deep.include({ median: NaN, below: [], above: [] })
  })
})
