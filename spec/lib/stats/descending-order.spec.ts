/** Radix order of floats, against sorting by comparison. */
import { expect } from 'chai'
import { DescendingOrder } from '../../../lib/stats/descending-order.js'
import { random } from '../../../lib/stats/random.js'

const sorted = (values: Float32Array) => [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b)

describe('descending order', () => {
  it('is that of a stable sort, for floats of all sizes and signs', () => {
    const { next, normal, integer } = random(9)
    const lists = [
      () => normal(),
      () => Math.exp(80 * (next() - 0.5)) * (integer(2) === 0 ? 1 : -1),
      () => integer(5) - 2, // many equals
      () => 1 + 1e-7 * integer(9), // neighbours
      () => 1e-44 * (integer(9) - 4), // below the normal floats
    ].map((draw) => Float32Array.from({ length: 3001 }, draw))
    const order = new DescendingOrder(3001)
    for (const values of lists) expect([...order.of(values)]).to.deep.equal(sorted(values))
  })

  it('takes −0 for 0 and has a place for the infinities', () => {
    const values = Float32Array.of(0, -0, -Infinity, 1e-45, Infinity, -0, 0, -1e-45)
    expect([...new DescendingOrder(8).of(values)]).to.deep.equal([4, 3, 0, 1, 5, 6, 7, 2])
  })

  it('puts a NaN of either sign at an end, and reads parts of a buffer', () => {
    const values = new Float32Array(Uint32Array.of(0x3f800000, 0x7fc00000, 0xffc00000, 0, 0x40000000).buffer)
    expect([...new DescendingOrder(5).of(values)]).to.deep.equal([1, 4, 0, 3, 2])
    expect([...new DescendingOrder(2).of(values.subarray(3))]).to.deep.equal([1, 0])
  })
})
