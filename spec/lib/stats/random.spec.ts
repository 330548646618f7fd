import { expect } from 'chai'
import { ArgumentError } from '../../../lib/errors/errors.js'
import { mean, variance } from '../../../lib/stats/moments.js'
import { random, xoshiro128 } from '../../../lib/stats/random.js'

const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make)

describe('random', () => {
  it('is xoshiro128** 1.1: the first ten words of the reference implementation from the state 1, 2, 3, 4', () => {
    const words = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804]
    expect(times(10, xoshiro128([1, 2, 3, 4]))).to.deep.equal(words)
  })

  it('repeats itself from the same seed and differs from another, large ones too', () => {
    const first = (seed: number) => times(5, random(seed).next)
    expect(first(7)).to.deep.equal(first(7))
    const starts = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER].map((seed) => first(seed)[0])
    expect(new Set(starts).size).to.equal(starts.length)
  })

  it('fills [0, 1) evenly', () => {
    const values = times(40_000, random(3).next)
    expect(Math.min(...values)).to.be.at.least(0)
    expect(Math.max(...values)).to.be.below(1)
    // Five standard errors: sqrt(1/12 / 40000) = 0.0014 of the mean, sqrt(1/180 / 40000) = 0.0004 of the variance.
    expect(mean(values)).to.be.closeTo(1 / 2, 0.007)
    expect(variance(values)).to.be.closeTo(1 / 12, 0.002)
  })

  it('draws whole numbers evenly', () => {
    const { integer } = random(4)
    const counts = [0, 0, 0]
    for (let i = 0; i < 30_000; i++) counts[integer(3)]!++
    // Five standard deviations of a count: sqrt(30000 · 1/3 · 2/3) = 82.
    for (const count of counts) expect(count).to.be.closeTo(10_000, 410)
  })

  it('draws Gaussian numbers', () => {
    const values = times(40_000, random(5).normal)
    // Five standard errors: 1 / sqrt(40000) = 0.005 of the mean, sqrt(2 / 40000) = 0.007 of the variance.
    expect(mean(values)).to.be.closeTo(0, 0.025)
    expect(variance(values)).to.be.closeTo(1, 0.035)
    const beyondTwo = values.filter((value) => Math.abs(value) > 2).length / values.length
    expect(beyondTwo).to.be.closeTo(0.0455, 0.0052) // five standard errors of 0.00104
  })

  it('shuffles and samples without losing or repeating an item, and leaves the list as it was', () => {
    const items = Array.from({ length: 100 }, (_, i) => i)
    const { shuffle, sample } = random(6)
    const shuffled = shuffle(items)
    expect(shuffled).to.not.deep.equal(items)
    expect([...shuffled].sort((a, b) => a - b)).to.deep.equal(items)
    expect(new Set(sample(items, 40)).size).to.equal(40)
    expect(sample(items, 0)).to.deep.equal([])
    expect(items[0]).to.equal(0)
  })

  it('puts each item first equally often', () => {
    const { shuffle } = random(8)
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 8000; i++) counts[shuffle([0, 1, 2, 3])[0]!]!++
    for (const count of counts) expect(count).to.be.closeTo(2000, 194) // five times sqrt(8000 · 1/4 · 3/4) = 38.7
  })

  it('refuses what it cannot take', () => {
    expect(() => random(-1)).to.throw(
      ArgumentError,
      'random: seed is -1. It must be a whole number from 0 to 2^53 - 1.',
    )
    expect(() => random(0.5)).to.throw(ArgumentError, 'seed is 0.5')
    expect(() => random(0).integer(0)).to.throw(ArgumentError, 'integer: n is 0.')
    expect(() => random(0).sample([1], 2)).to.throw(
      ArgumentError,
      'sample: count is 2. It must be a whole number from 0',
    )
  })
})
