/** Scores of sets on one thread and on two: the same numbers, whoever computes them. */
import { availableParallelism } from 'node:os'
import { expect } from 'chai'
import { random } from '../../../lib/stats/random.js'
import { SetScores } from '../../../lib/stats/set-scores.js'
import { SetScoresWorker } from '../../../lib/stats/set-scores-worker.js'

const elements = 40_000
const sets = [[], [7], Array.from({ length: 300 }, (_, i) => 5 * i), Array.from({ length: elements }, (_, i) => i)]

/** Some that come again and again. */
function rows(count: number): Float32Array[] {
  const generator = random(3)
  const some = Array.from({ length: 20 }, () => Float32Array.from({ length: elements }, () => generator.next() - 0.5))
  return Array.from({ length: count }, (_, number) => some[number % some.length]!)
}

/** What comes of the rows, by their numbers, and how many of them are computed by the caller's thread. */
async function together(all: readonly Float32Array[]) {
  const result: (Float64Array | undefined)[] = []
  let [handed, here] = [-1, 0]
  using scores = new SetScoresWorker({ elements, sets, rows: all.length }, (values, number) => {
    expect(number in result).to.equal(false)
    result[number] = values
    if (number === handed) here++
  })
  for (const [number, row] of all.entries()) await scores.add(row, (handed = number))
  handed = -1
  scores.finish()
  return { result, here }
}

describe('lib/stats set scores', () => {
  it('are the same for many rows, computed on two threads where there are two processors', async () => {
    const all = rows(900)
    const alone = new SetScores(elements, sets)
    const expected = all.slice(0, 20).map((row) => alone.of(row))
    const { result, here } = await together(all)
    expect(result).to.have.lengthOf(900)
    result.forEach((scores, number) => expect(scores).to.deep.equal(expected[number % 20]))
    if (availableParallelism() > 1) expect(here).to.be.within(100, 800)
    else expect(here).to.equal(900)
  })

  it('are undefined for a row with NaN, and for no other', async () => {
    const all = rows(850)
    const broken = Float32Array.from(all[0]!).fill(NaN, 100, 101)
    for (const number of [0, 1, 150, 848, 849]) all[number] = broken
    const { result } = await together(all)
    expect(result.flatMap((scores, number) => (scores ? [] : [number]))).to.deep.equal([0, 1, 150, 848, 849])
  })

  it('of a few rows are computed at once', async () => {
    const taken: number[] = []
    using scores = new SetScoresWorker({ elements, sets, rows: 2 }, (_, number) => void taken.push(number))
    const [first, second] = rows(2)
    await scores.add(first!, 0)
    expect(taken).to.deep.equal([0])
    await scores.add(second!, 1)
    scores.finish()
    expect(taken).to.deep.equal([0, 1])
  })
})
