/** Radix order of floats, against sorting by comparison. */
import { expect } from 'chai'
import { DescendingRanks } from '../../../lib/stats/descending-ranks.js'
import { random } from '../../../lib/stats/random.js'

function sorted(values: Float32Array): number[] {
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b)
  return [...values.keys()].map((i) => order.indexOf(i))
}

describe('descending ranks', () => {
  it('is that of a stable sort, for floats of all sizes and signs', () => {
    const { next, normal, integer } = random(9)
    const lists = [
      () => normal(),
      () => Math.exp(80 * (next() - 0.5)) * (integer(2) === 0 ? 1 : -1),
      () => integer(5) - 2, // many equals
      () => 1 + 1e-7 * integer(9), // neighbours
      () => 1e-44 * (integer(9) - 4), // below the normal floats
    ].map((draw) => Float32Array.from({ length: 3001 }, draw))
    const ranks = new DescendingRanks(3001)
    for (const values of lists) expect([...ranks.of(values)!]).to.deep.equal(sorted(values))
  })

  it('takes −0 for 0 and has a place for the infinities', () => {
    const values = Float32Array.of(0, -0, -Infinity, 1e-45, Infinity, -0, 0, -1e-45)
    expect([...new DescendingRanks(8).of(values)!]).to.deep.equal([2, 3, 7, 1, 0, 4, 5, 6])
  })

  it('has none for NaN, whatever its bits', () => {
    const bits = [0x7fffffff, 0x7fc00000, 0x7f800001, 0xffffffff, 0xffc00000, 0xff800001]
    for (const nan of bits) {
      const values = Float32Array.of(1, Infinity, 2, -Infinity)
      new Uint32Array(values.buffer)[2] = nan
      expect(new DescendingRanks(4).of(values), nan.toString(16)).to.equal(undefined)
    }
  })

  it('reads parts of a buffer', () => {
    const values = Float32Array.of(9, 8, 1, 2)
    expect([...new DescendingRanks(2).of(values.subarray(2))!]).to.deep.equal([1, 0])
  })
})
