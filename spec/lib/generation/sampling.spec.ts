/** From logits to probabilities and draws; the recorded probabilities are held by the conformance command. */
import { expect } from 'chai'
import { checkSampling, drawToken, samplingProbabilities } from '../../../lib/generation/sampling.js'
import { random } from '../../../lib/stats/random.js'
import { refusalOf } from '../../support/refusal.js'

describe('lib/generation/sampling', () => {
  const logits = [Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]
  const rounded = (values: Float64Array) => [...values].map((v) => Number(v.toFixed(6)))

  it('is the softmax without options, and sharper at a lower temperature', () => {
    expect(rounded(samplingProbabilities(logits))).to.deep.equal([0.5, 0.3, 0.15, 0.05])
    const squares = [0.25, 0.09, 0.0225, 0.0025].map((v) => Number((v / 0.365).toFixed(6)))
    expect(rounded(samplingProbabilities(logits, { temperature: 0.5 }))).to.deep.equal(squares)
  })

  it('takes the first of the largest at temperature 0', () => {
    expect(rounded(samplingProbabilities([1, 3, 3], { temperature: 0 }))).to.deep.equal([0, 1, 0])
  })

  it('keeps the k largest, equals of the k-th too', () => {
    expect(rounded(samplingProbabilities(logits, { topK: 2 }))).to.deep.equal([0.625, 0.375, 0, 0])
    expect(rounded(samplingProbabilities([0, 0, 0, -9], { topK: 2 }))).to.deep.equal([0.333333, 0.333333, 0.333333, 0])
  })

  it('keeps the token that crosses p', () => {
    expect(rounded(samplingProbabilities(logits, { topP: 0.6 }))).to.deep.equal([0.625, 0.375, 0, 0])
    expect(rounded(samplingProbabilities(logits, { topP: 0.01 }))).to.deep.equal([1, 0, 0, 0])
    expect(rounded(samplingProbabilities(logits, { topP: 1 }))).to.deep.equal([0.5, 0.3, 0.15, 0.05])
  })

  it('takes the penalty once for each time a token was seen', () => {
    const once = samplingProbabilities([0, 0], { freqPenalty: Math.log(3) }, [0])
    expect(rounded(once)).to.deep.equal([0.25, 0.75])
    const twice = samplingProbabilities([0, 0], { freqPenalty: Math.log(3) }, [0, 0])
    expect(rounded(twice)).to.deep.equal([0.1, 0.9])
  })

  it('draws by these probabilities, the same for the same seed', () => {
    const probabilities = samplingProbabilities(logits)
    const draws = (seed: number) => {
      const draw = random(seed)
      return Array.from({ length: 20_000 }, () => drawToken(probabilities, draw))
    }
    const [first, again] = [draws(5), draws(5)]
    expect(first).to.deep.equal(again)
    const shares = [0, 1, 2, 3].map((id) => first.filter((drawn) => drawn === id).length / first.length)
    // five standard deviations of a share of one half in 20,000 draws
    shares.forEach((share, id) => expect(share).to.be.closeTo(probabilities[id]!, 5 * Math.sqrt(0.25 / 20_000)))
  })

  it('never draws what has probability 0', () => {
    const draw = random(1)
    const drawn = new Set(Array.from({ length: 1000 }, () => drawToken(Float64Array.of(0, 0.5, 0, 0.5, 0), draw)))
    expect([...drawn].sort()).to.deep.equal([1, 3])
  })

  const wrong: [object, string][] = [
    [{ temperature: -1 }, 'generate: temperature is -1. It must be a number from 0.'],
    [{ topK: 0 }, 'generate: topK is 0. It must be a whole number from 1 to 10.'],
    [{ topK: 11 }, 'generate: topK is 11. It must be a whole number from 1 to 10.'],
    [{ topP: 1.5 }, 'generate: topP is 1.5. It must be above 0 and at most 1.'],
    [{ topK: 2, topP: 0.5 }, 'generate: topP is 0.5. It must be left out where topK is given.'],
    [{ freqPenalty: NaN }, 'generate: freqPenalty is NaN. It must be a number.'],
  ]
  for (const [options, message] of wrong) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      expect(await refusalOf(() => checkSampling(options, 10))).to.equal(`ArgumentError: ${message}`)
    })
  }
})
