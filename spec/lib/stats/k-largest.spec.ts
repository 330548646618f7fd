/** The notebooks' k-largest and windows: recorded numbers, laws, refusals. */
import { expect } from 'chai'
import { indexWithBuffer, kLargestIndices, type Index } from '../../../lib/stats/k-largest.js'
import { random } from '../../../lib/stats/random.js'
import { reference, type Reference } from '../../support/reference.js'
import { refusalOf } from '../../support/refusal.js'

interface Case {
  readonly k: number
  readonly buffer: number
  readonly no_overlap: boolean
}

describe('k largest', () => {
  let record: Reference
  const rowsOf = (name: string): number[][] => {
    const { shape, values } = record.tensor(`features/${name}`)
    const width = shape[1] ?? 1
    return Array.from({ length: shape[0]! }, (_, r) => [...values.slice(r * width, (r + 1) * width)])
  }
  before(async () => {
    record = await reference('saes')
  })

  it('are the recorded ones, with and without buffer and overlap', () => {
    const { k_largest_cases: cases } = record.json['features'] as { k_largest_cases: Case[] }
    const x = rowsOf('k_largest/x')
    expect(cases).to.have.length(6)
    cases.forEach(({ k, buffer, no_overlap: noOverlap }, i) => {
      expect(kLargestIndices(x, { k, buffer, noOverlap })).to.deep.equal(rowsOf(`k_largest/${i}`))
    })
  })

  it('keep apart, leave the ends out, and are the best that do', () => {
    const { next, integer } = random(11)
    for (let trial = 0; trial < 60; trial++) {
      const [height, width, buffer, k] = [1 + integer(4), 5 + integer(12), integer(3), 1 + integer(12)]
      const x = Array.from({ length: height }, () => Array.from({ length: width }, () => Math.round(8 * next())))
      const found = kLargestIndices(x, { k, buffer })
      const clash = ([r, c]: Index, [r2, c2]: Index) => r === r2 && Math.abs(c - c2) <= buffer
      found.forEach((place, i) => expect(found.slice(0, i).some((other) => clash(place, other))).to.equal(false))
      for (const [, column] of found) expect(column).to.be.within(buffer, width - buffer - 1)
      // whatever was not taken stands beside something at least as large, or came when k were taken
      const least = found.length === k ? Math.min(...found.map(([r, c]) => x[r]![c]!)) : -Infinity
      x.forEach((row, r) => {
        for (let c = buffer; c < width - buffer; c++) {
          const beside = found.filter((place) => clash(place, [r, c])).map(([r2, c2]) => x[r2]![c2]!)
          expect(Math.max(least, ...beside)).to.be.at.least(row[c]!)
        }
      })
    }
  })

  it('of equal entries are the earlier ones, and fewer where no more keep apart', () => {
    const x = [
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ]
    expect(kLargestIndices(x, { k: 3 })).to.deep.equal([[0, 0], [0, 1], [0, 2]]) // prettier-ignore
    expect(kLargestIndices(x, { k: 9, buffer: 1 })).to.deep.equal([[0, 1], [1, 1]]) // prettier-ignore
    expect(kLargestIndices(x, { k: 9, buffer: 1, noOverlap: false })).to.have.length(4)
    expect(kLargestIndices([], { k: 3 })).to.deep.equal([])
  })

  it('have the recorded windows, moved inwards at the ends', () => {
    const x = rowsOf('k_largest/x')
    const indices = rowsOf('windows/indices') as unknown as Index[]
    for (const buffer of [0, 3, 8]) {
      const { windows, indices: moved } = indexWithBuffer(x, indices, buffer)
      expect(windows).to.deep.equal(rowsOf(`windows/buffer_${buffer}`))
      expect(moved).to.deep.equal(rowsOf(`windows/buffer_${buffer}_moved`))
    }
    const alone = indexWithBuffer(x, indices)
    expect(alone.windows.flat()).to.deep.equal([...record.values('features/windows/buffer_None')])
    expect(alone.indices).to.deep.equal(rowsOf('windows/buffer_None_moved'))
    expect(indices).to.deep.equal(rowsOf('windows/indices'), 'the argument stays as it is')
  })

  it('refuse what they cannot do', async () => {
    const x = [[1, 2, 3, 4]]
    expect(await refusalOf(() => kLargestIndices(x, { k: 1, buffer: 2 }))).to.equal(
      'ArgumentError: kLargestIndices: a buffer of 2 leaves nothing of rows of 4. It must be below 2.',
    )
    expect(await refusalOf(() => kLargestIndices(x, { k: 0 }))).to.equal(
      'ArgumentError: kLargestIndices: k is 0. It must be a whole number, at least 1.',
    )
    expect(await refusalOf(() => kLargestIndices(x, { k: 1, buffer: 0.5 }))).to.equal(
      'ArgumentError: kLargestIndices: buffer is 0.5. It must be a whole number, at least 0.',
    )
    expect(await refusalOf(() => indexWithBuffer(x, [[0, 4]], 1))).to.equal(
      'ArgumentError: indexWithBuffer: there is no entry [0, 4]. The matrix has 1 rows of 4.',
    )
    expect(await refusalOf(() => indexWithBuffer(x, [[0, 3]], 2))).to.equal(
      'ArgumentError: indexWithBuffer: a window of 5 is longer than rows of 4. The buffer must be below 2.',
    )
  })
})
