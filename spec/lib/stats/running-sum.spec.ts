/** The running sum of enrichment by ranks, against the sum itself, closed forms and the distribution of random sets. */
import { expect } from 'chai'
import { random } from '../../../lib/stats/random.js'
import { permutationP, randomScores, RunningSums } from '../../../lib/stats/running-sum.js'

/** Places of the elements of an order. */
function ranksOf(order: readonly number[]): Uint32Array {
  const ranks = new Uint32Array(order.length)
  order.forEach((element, rank) => (ranks[element] = rank))
  return ranks
}

/** The value farthest from 0 of the sum taken step by step. */
function bruteForce(order: readonly number[], set: readonly number[]): number {
  const members = new Set(set)
  let [sum, most, least] = [0, 0, 0]
  for (const element of order) {
    sum += members.has(element) ? 1 / set.length : -1 / (order.length - set.length)
    most = Math.max(most, sum)
    least = Math.min(least, sum)
  }
  return most >= -least - 1e-12 ? most : least
}

describe('running sums', () => {
  it('are those taken step by step', () => {
    const { shuffle, sample, integer } = random(3)
    const all = [...Array(157).keys()]
    const sets = [1, 2, 3, 10, 78, 79, 155, 156].flatMap((size) => [sample(all, size), all.slice(0, size)])
    const sums = new RunningSums(157, sets)
    for (let run = 0; run < 20; run++) {
      const order = integer(3) === 0 ? all : shuffle(all)
      sums.farthest(ranksOf(order)).forEach((value, s) => {
        expect(value, `set ${s}`).to.be.closeTo(bruteForce(order, sets[s]!), 1e-12)
      })
    }
  })

  it('of a set at the top are 1, at the bottom −1; one element has its distance from the farther end', () => {
    const order = [4, 2, 0, 3, 1]
    expect([...new RunningSums(5, [[4, 2], [3, 1], [0], [2]]).farthest(ranksOf(order))]).to.deep.equal([
      1, -1, 0.5, 0.75,
    ])
  })

  it('of no element are −1, of all 1', () => {
    expect([...new RunningSums(3, [[], [2, 0, 1]]).farthest(ranksOf([0, 1, 2]))]).to.deep.equal([-1, 1])
  })

  it('of random sets are distributed as by counting all of them', () => {
    // all 210 sets of 4 of 10; a share of 4000 draws is off by at most 4 · √(0.25 / 4000) = 0.032, but in 1 of 16000
    const order = [...Array(10).keys()]
    const exact: number[] = []
    for (let bits = 0; bits < 1024; bits++) {
      const set = order.filter((i) => (bits >> i) & 1)
      if (set.length === 4) exact.push(Math.abs(bruteForce(order, set)))
    }
    const drawn = randomScores(10, 4, { count: 4000, seed: 1 })
    for (const score of new Set(exact)) {
      const share = exact.filter((value) => value >= score - 1e-9).length / exact.length
      expect(permutationP(score, drawn), String(score)).to.be.closeTo(share, 0.032)
    }
    expect([...randomScores(10, 6, { count: 50, seed: 7 })], 'the complement scores the same').to.deep.equal([...randomScores(10, 4, { count: 50, seed: 7 })]) // prettier-ignore
    expect([...randomScores(10, 4, { count: 50, seed: 7 })]).to.not.deep.equal([
      ...randomScores(10, 4, { count: 50, seed: 8 }),
    ])
    expect([...randomScores(3, 3, { count: 2, seed: 0 })]).to.deep.equal([1, 1])
  })

  it('give a p-value that counts the set itself and is never 0', () => {
    const scores = Float64Array.of(0.1, 0.2, 0.2, 0.3)
    expect([0.05, 0.1, 0.2, 0.25, 0.4].map((score) => permutationP(score, scores))).to.deep.equal([1, 1, 0.8, 0.4, 0.2])
  })
})
