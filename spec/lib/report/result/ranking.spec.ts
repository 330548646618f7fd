/** Rankings: lists of places that print. */
import { inspect, stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { Result } from '../../../../lib/report/result/result.js'

const provenance = { library: 'tfjs-lens', backend: 'cpu', model: 'none', modelFiles: {}, processing: {} }

function effects(values: number[], unit = 'logits'): Result {
  const axes = [{ name: 'token', labels: values.map((_, i) => `${i} the\n`) }]
  return new Result({ kind: 'k', title: 'Effects', unit, values: Float32Array.from(values), axes, provenance })
}

describe('lib/report/result/ranking', () => {
  it('prints the places as a table, and how many are left out', () => {
    const ranking = effects([1, -4, NaN, 2]).top(2)
    const text = stripVTControlCharacters(ranking.toString()).split('\n')
    expect(text[0]).to.equal('Effects (logits)')
    expect(text.slice(2, -1).map((line) => line.replace(/[│ ]+/g, ' ').trim())).to.deep.equal([
      'token value',
      '├────────┼───────┤',
      '1 the⏎ -4',
      '3 the⏎ 2',
      '└────────┴───────┘',
    ])
    expect(text.at(-1)).to.equal('… and 1 more') // the NaN does not rank
    expect(inspect(ranking)).to.equal(ranking.toString())
    expect(stripVTControlCharacters(effects([1], '').top(3).toString())).to.match(/^Effects\n/)
    expect(ranking.toTable().rows).to.deep.equal([
      ['1 the⏎', -4],
      ['3 the⏎', 2],
    ])
  })

  it('is a list: of a length, iterable, and plain once mapped', () => {
    const ranking = effects([1, -4]).top(2)
    const [first] = ranking
    expect(first).to.deep.equal({ labels: ['1 the\n'], index: [1], value: -4 })
    expect(ranking).to.have.length(2)
    expect(ranking.map(({ value }) => value)).to.deep.equal([-4, 1])
    expect(Object.getPrototypeOf(ranking.filter(({ value }) => value > 0))).to.equal(Array.prototype)
    expect(JSON.parse(JSON.stringify(ranking))).to.deep.equal([...ranking])
    expect(effects([NaN]).top(1)).to.have.length(0)
  })
})
