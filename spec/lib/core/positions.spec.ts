/** Positions counted from either end, and ranges of them. */
import { expect } from 'chai'
import { resolvePosition, sliceRange, type PositionSlice } from '../../../lib/core/positions.js'
import { refusalOf } from '../../support/refusal.js'

describe('lib/core/positions', () => {
  it('counts from the start or from the end', () => {
    expect([0, 4, -1, -5].map((p) => resolvePosition('verb', p, 5))).to.deep.equal([0, 4, 4, 0])
  })

  const slices: [PositionSlice, number, number][] = [
    [2, 2, 1],
    [-1, 4, 1],
    [[0, 5], 0, 5],
    [[1, 3], 1, 2],
    [[-3, -1], 2, 2],
    [[-2, 5], 3, 2],
    [[0, -4], 0, 1],
  ]
  for (const [slice, begin, size] of slices) {
    it(`takes ${JSON.stringify(slice)} of 5 as ${size} from ${begin}`, () => {
      expect(sliceRange(slice, 5)).to.deep.equal({ begin, size })
    })
  }

  for (const position of [5, -6, 1.5, NaN, Infinity]) {
    it(`refuses position ${position} of 5, alone or in a range`, async () => {
      const rest = `there is no position ${position} in prompts of 5 tokens. Give a whole number from -5 to 4.`
      expect(await refusalOf(() => resolvePosition('patch', position, 5))).to.equal(`ArgumentError: patch: ${rest}`)
      expect(await refusalOf(() => sliceRange(position, 5))).to.equal(`ArgumentError: positions: ${rest}`)
      expect(await refusalOf(() => sliceRange([position, 5], 5))).to.equal(`ArgumentError: positions: ${rest}`)
    })
  }

  for (const range of [
    [3, 3],
    [3, 1],
    [-1, -2],
    [2, 0],
  ] as const) {
    it(`refuses the empty range ${JSON.stringify(range)}`, async () => {
      expect(await refusalOf(() => sliceRange(range, 5))).to.equal(
        `ArgumentError: positions: the range [${range}] is empty in prompts of 5 tokens. Its end must lie behind its begin.`,
      )
    })
  }

  it('refuses an end beyond the prompt', async () => {
    expect(await refusalOf(() => sliceRange([0, 6], 5))).to.equal(
      'ArgumentError: positions: there is no position 6 in prompts of 5 tokens. Give a whole number from -5 to 4.',
    )
  })
})
