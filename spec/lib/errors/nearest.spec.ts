/** Did-you-mean: distances, and which candidate counts as near. */
import { expect } from 'chai'
import { didYouMean, editDistance, nearest } from '../../../lib/errors/nearest.js'

describe('lib/errors/nearest', () => {
  const distances: [string, string, number][] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['same', 'same', 0],
    ['kitten', 'sitting', 3],
    ['hook', 'hooks', 1],
    ['resid', 'rseid', 1],
    ['ab', 'ba', 1],
    ['abcd', 'badc', 2],
    ['pre', 'post', 3],
  ]
  for (const [a, b, distance] of distances) {
    it(`counts ${distance} edits from '${a}' to '${b}', and back`, () => {
      expect(editDistance(a, b)).to.equal(distance)
      expect(editDistance(b, a)).to.equal(distance)
    })
  }

  it('finds the candidate with the fewest edits, whatever the case', () => {
    const names = ['foldLn', 'centerUnembed', 'centerWritingWeights']
    expect(nearest('fold_ln', names)).to.equal('foldLn')
    expect(nearest('CENTERUNEMBED', names)).to.equal('centerUnembed')
    expect(nearest('b', ['a', 'b', 'c'])).to.equal('b')
  })

  it('finds none where more than half of the letters differ', () => {
    expect(nearest('llama', ['gpt2', 'gemma2'])).to.equal(undefined)
    expect(nearest('abcdefgh', ['abcdxxxx'])).to.equal('abcdxxxx')
    expect(nearest('abcdefgh', ['abcxxxxx'])).to.equal(undefined)
    expect(nearest('anything', [])).to.equal(undefined)
  })

  it('takes the first of two that are equally near', () => {
    expect(nearest('hook_x', ['hook_q', 'hook_k'])).to.equal('hook_q')
  })

  it('makes a sentence of it, or nothing', () => {
    expect(didYouMean('hook_resid', ['hook_resid_pre', 'other'])).to.equal(" Did you mean 'hook_resid_pre'?")
    expect(didYouMean('zzz', ['hook_resid_pre'])).to.equal('')
  })
})
