/** Batches: every row once, few runs, no more rows than fit, rows in the order in which they join. */
import { expect } from 'chai'
import { batchesOf, type Batch, type BatchLimits } from '../../../../lib/sweep/plan/batches.js'
import type { Group } from '../../../../lib/sweep/plan/groups.js'
import { joinOrder } from '../../../../lib/sweep/plan/resume-points.js'
import { random } from '../../../../lib/stats/random.js'
import { range } from '../../../../lib/stats/range.js'

const start = (layer: number, entry: 'block' | 'attention' | 'end' = 'block') => ({ entry, layer, key: `${entry} ${layer}` }) // prettier-ignore
const group = (layer: number, begin: number, rows: readonly number[], end = 10): Group => ({
  start: start(layer),
  begin,
  end,
  last: 9,
  rows,
})
const limits = (given: Partial<BatchLimits> = {}): BatchLimits => ({
  together: true,
  step: 1,
  most: () => 100,
  ...given,
})
const text = ({ begin, end, groups }: Batch) =>
  `${begin} to ${end}: ${groups.map(({ start, rows }) => `${start.key} ${rows}`).join(' | ')}`
const sizeOf = ({ groups }: Batch) => groups.reduce((sum, { rows }) => sum + rows.length, 0)

describe('the batches of a sweep', () => {
  it('run groups together that start at other layers, or a little later', () => {
    const groups = [group(3, 2, [4, 5]), group(1, 2, [0, 1]), group(2, 4, [2, 3])]
    expect(batchesOf(groups, limits()).map(text)).to.deep.equal(['2 to 10: block 1 0,1 | block 2 2,3 | block 3 4,5'])
  })

  it('run groups apart that would compute many positions for nothing, or read others', () => {
    const many = batchesOf([group(1, 0, [0]), group(1, 6, range(1, 20))], limits())
    expect(many.map(({ begin }) => begin)).to.deep.equal([0, 6])
    const few = batchesOf([group(1, 0, [0]), group(1, 6, range(1, 6))], limits())
    expect(few.map(sizeOf)).to.deep.equal([6])
    expect(batchesOf([group(1, 0, [0], 10), group(1, 0, [1], 8)], limits())).to.have.length(2)
    expect(batchesOf([group(1, 0, [0]), { ...group(1, 0, [1]), last: 3 }], limits())).to.have.length(2)
  })

  it('have one resume point each where transcoders read and write in different blocks', () => {
    const groups = [group(1, 2, [0, 1]), group(2, 2, [2])]
    expect(batchesOf(groups, limits({ together: false })).map(text)).to.deep.equal([
      '2 to 10: block 1 0,1',
      '2 to 10: block 2 2',
    ])
  })

  it('are cut to the budget, and never inside the prompts of an intervention', () => {
    const rows = [group(1, 0, range(7)), group(2, 0, range(7, 10))]
    expect(batchesOf(rows, limits({ most: () => 4 })).map(text)).to.deep.equal([
      '0 to 10: block 1 0,1,2,3',
      '0 to 10: block 1 4,5,6 | block 2 7',
      '0 to 10: block 2 8,9',
    ])
    expect(batchesOf([group(1, 0, range(9))], limits({ step: 3, most: () => 8 })).map(sizeOf)).to.deep.equal([6, 3])
    expect(batchesOf([group(1, 0, range(9))], limits({ step: 3, most: () => 1 })).map(sizeOf)).to.deep.equal([3, 3, 3])
  })

  it('ask for the budget of the positions that they run', () => {
    const asked: unknown[] = []
    batchesOf([group(1, 3, [0])], limits({ most: (positions) => asked.push(positions) }))
    expect(asked).to.deep.equal([{ begin: 3, end: 10, last: 9 }])
  })

  it('hold every row of random groups once, in the order in which they join', () => {
    const own = random(5)
    for (let round = 0; round < 20; round++) {
      let next = 0
      const groups = range(1 + own.integer(12)).map((): Group => {
        const rows = range(1 + own.integer(9)).map(() => next++)
        const entry = (['block', 'attention', 'end'] as const)[own.integer(3)]!
        return {
          ...group(own.integer(4), own.integer(8), rows, 8 + own.integer(2)),
          start: start(own.integer(4), entry),
        }
      })
      const most = 1 + own.integer(8)
      const batches = batchesOf(groups, limits({ most: () => most }))
      const rows = batches.flatMap((batch) => batch.groups.flatMap((some) => some.rows))
      expect(rows.sort((a, b) => a - b)).to.deep.equal(range(next))
      for (const batch of batches) {
        const orders = batch.groups.map((some) => joinOrder(some.start))
        expect(orders).to.deep.equal([...orders].sort((a, b) => a - b))
        expect(sizeOf(batch)).to.be.within(1, most)
      }
    }
  })
})
