/** Scores of sets on one thread and on two: the same numbers, whoever computes them. */
import { expect } from 'chai'
import { random } from '../../../lib/stats/random.js'
import { SetScores } from '../../../lib/stats/set-scores.js'
import { SetScoresBeside } from '../../../lib/stats/set-scores-beside.js'

const elements = 40_000
const sets = [[], [7], Array.from({ length: 300 }, (_, i) => 5 * i), Array.from({ length: elements }, (_, i) => i)]

function rows(count: number): Float32Array[] {
  const generator = random(3)
  return Array.from({ length: count }, () => Float32Array.from({ length: elements }, () => generator.next() - 0.5))
}

/** What comes of the rows, by their numbers, and on how many of them the caller's thread was at work. */
function beside(all: readonly Float32Array[]) {
  const result: (Float64Array | undefined)[] = []
  let [here, before] = [0, 0]
  using scores = new SetScoresBeside(elements, sets, all.length, (values, number) => {
    expect(number in result).to.equal(false)
    result[number] = values
  })
  all.forEach((row, number) => {
    before = result.length
    scores.add(row, number)
    if (result.length > before && number in result) here++
  })
  scores.finish()
  return { result, here }
}

describe('lib/stats set scores', () => {
  it('are the same for many rows, computed on two threads where there are two processors', () => {
    const all = rows(600)
    const alone = new SetScores(elements, sets)
    const { result, here } = beside(all)
    expect(result).to.have.lengthOf(600)
    expect(result).to.deep.equal(all.map((row) => alone.of(row)))
    expect(here).to.be.lessThan(600)
  })

  it('are undefined for a row with NaN, and for no other', () => {
    const all = rows(300)
    for (const number of [0, 1, 150, 298, 299]) all[number]![100] = NaN
    const { result } = beside(all)
    expect(result.flatMap((scores, number) => (scores ? [] : [number]))).to.deep.equal([0, 1, 150, 298, 299])
  })

  it('of a few rows are computed at once', () => {
    const taken: number[] = []
    using scores = new SetScoresBeside(elements, sets, 2, (_, number) => void taken.push(number))
    const [first, second] = rows(2)
    scores.add(first!, 0)
    expect(taken).to.deep.equal([0])
    scores.add(second!, 1)
    scores.finish()
    expect(taken).to.deep.equal([0, 1])
  })
})
