/** Comparing recorded with computed values: what passes, what fails, and what is said of it. */
import { expect } from 'chai'
import { compareNumbers, compareTrees, compareValues, roundingOf } from './compare.js'

const { NaN: nan, POSITIVE_INFINITY: inf } = Number

describe('spec/conformance/compare', () => {
  it('passes differences up to the tolerance and reports the largest', () => {
    expect(compareNumbers([1, 2.5, 3], [1, 2, 3.25], { atol: 0.5 })).to.deep.equal({ maxAbs: 0.5, ok: true })
  })

  it('fails a difference beyond it, and names place and numbers', () => {
    const verdict = compareNumbers([1, 2, 3, 4, 5, 7], [1, 2, 3.25, 4, 5, 6], { atol: 0.125 }, [2, 3])
    const error = '2 of 6 numbers off, the worst at [1,2]: 7, recorded is 6'
    expect(verdict).to.deep.equal({ maxAbs: 1, ok: false, error })
  })

  it('allows a share of the recorded number where the record does', () => {
    const tolerance = { atol: 0.5, rtol: 0.25 }
    expect(compareNumbers([-6.5], [-8], tolerance).ok).to.equal(true) // 1.5 ≤ 0.5 + 0.25 · 8
    expect(compareNumbers([-8], [-5], tolerance).ok).to.equal(false) // 3 > 0.5 + 0.25 · 5
  })

  it('takes a tolerance of 0 for exact', () => {
    expect(compareNumbers([0, -0], [0, 0], { atol: 0 })).to.deep.equal({ maxAbs: 0, ok: true })
    expect(compareNumbers([1e-30], [0], { atol: 0 }).ok).to.equal(false)
  })

  it('wants infinities at the same places', () => {
    expect(compareNumbers([-inf, 1], [-inf, 1.5], { atol: 1 })).to.deep.equal({ maxAbs: 0.5, ok: true })
    const error = 'at [0,1] the library gives -Infinity, recorded is 1'
    expect(compareNumbers([0, -inf], [0, 1], { atol: inf }, [1, 2])).to.deep.equal({ maxAbs: null, ok: false, error })
    expect(compareNumbers([-inf], [inf], { atol: inf }).ok).to.equal(false)
    expect(compareNumbers([0], [-inf], { atol: inf }).ok).to.equal(false)
  })

  it('fails NaN, wherever it is', () => {
    for (const [a, r] of [
      [nan, 0],
      [0, nan],
      [nan, nan],
    ]) {
      expect(compareNumbers([a!], [r!], { atol: inf }).ok, `${a} ${r}`).to.equal(false)
    }
  })

  it('knows what rounding to some digits leaves open', () => {
    expect(compareNumbers([1.4749], [1.47], roundingOf(1.47, 3)).ok).to.equal(true)
    expect(compareNumbers([1.476], [1.47], roundingOf(1.47, 3)).ok).to.equal(false)
    expect(compareNumbers([83.254], [83.25], roundingOf(83.25, 4)).ok).to.equal(true)
    expect(compareNumbers([83.256], [83.25], roundingOf(83.25, 4)).ok).to.equal(false)
  })

  it('compares names and shapes, and says where they differ', () => {
    expect(compareValues({ a: [1, { b: null }] }, { a: [1, { b: null }] })).to.deep.equal({ maxAbs: 0, ok: true })
    const differing: [actual: unknown, recorded: unknown, error: string][] = [
      ['x', 'y', 'the library gives "x", recorded is "y"'],
      [['a', 'b'], ['a'], 'at 1 the library gives "b", recorded is nothing'],
      [['a'], ['a', 'b'], 'at 1 the library gives nothing, recorded is "b"'],
      [{ a: [1, 2] }, { a: [1, 3] }, 'at a.1 the library gives 2, recorded is 3'],
      [[], {}, 'the library gives [], recorded is {}'],
      [1, '1', 'the library gives 1, recorded is "1"'],
      [undefined, null, 'the library gives nothing, recorded is null'],
    ]
    for (const [actual, recorded, error] of differing) {
      expect(compareValues(actual, recorded)).to.deep.equal({ maxAbs: null, ok: false, error })
    }
  })

  it('takes JSON whose numbers are within the tolerance, in any order of keys, and nothing else that differs', () => {
    const recorded = { b: [1, { text: 'x' }, 2.5], a: 7 }
    const tree = (actual: unknown) => compareTrees(actual, recorded, { atol: 0.25 })
    expect(tree({ a: 7.25, b: [1, { text: 'x' }, 2.5] })).to.deep.equal({ maxAbs: 0.25, ok: true })
    expect(tree({ a: 7, b: [1, { text: 'x' }, 3] })).to.deep.equal({
      maxAbs: 0.5,
      ok: false,
      error: '1 of 3 numbers off, the worst at [2]: 3, recorded is 2.5',
    })
    expect(tree({ a: 7, b: [1, { text: 'y' }, 2.5] }).error).to.equal(
      'at b.1.text the library gives "y", recorded is "x"',
    )
    for (const wrong of [
      { a: 7 },
      { a: '7', b: recorded.b },
      { ...recorded, c: 1 },
      { a: 7, b: [1, 2.5] },
      undefined,
    ]) {
      expect(tree(wrong), JSON.stringify(wrong)).to.include({ ok: false, maxAbs: null })
    }
    expect(tree({ a: NaN, b: recorded.b }).ok).to.equal(false)
  })
})
