/** Comparing results: matched by label, held to numbers worked out by hand and to laws. */
import { inspect, stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { compare } from '../../../../lib/report/result/compare.js'
import { Comparison } from '../../../../lib/report/result/comparison.js'
import type { Provenance } from '../../../../lib/report/result/provenance.js'
import { Result, type Axis, type ResultInit } from '../../../../lib/report/result/result.js'
import { agreement } from '../../../../lib/stats/agreement.js'
import { pearson, spearman } from '../../../../lib/stats/correlation.js'
import { random } from '../../../../lib/stats/random.js'
import { expectClose } from '../../../support/close.js'
import { refusalOf } from '../../../support/refusal.js'

const provenance: Provenance = {
  library: 'tfjs-lens 0.1.0',
  backend: 'cpu',
  model: 'small',
  modelFiles: { 'model.safetensors': 'aaa' },
  processing: { foldLn: true },
  saes: ['res/0'],
  seed: 1,
}
const axis = (name: string, ...labels: string[]): Axis => ({ name, labels })

function made(values: number[], axes: Axis[], init: Partial<ResultInit> = {}): Result {
  return new Result({ kind: 'ablation', title: 'change', unit: 'nats', values: Float32Array.from(values), axes, provenance, ...init }) // prettier-ignore
}

describe('compare', () => {
  it('matches axes by name and places by label, and tells what only one has', () => {
    const a = made([1, 2, 3, 4, 5, 6], [axis('layer', '0', '1', '2'), axis('token', ' x', ' y')])
    const b = made([40, 30, 10, 60, 50, 20], [axis('token', ' y', ' z'), axis('layer', '1', '0', '3')])
    const compared = compare(a, b)
    expect(compared.a.axes).to.deep.equal([axis('layer', '0', '1'), axis('token', ' y')])
    expect([...compared.a.values, ...compared.b.values]).to.deep.equal([2, 4, 30, 40])
    expect([...compared.difference.values]).to.deep.equal([28, 36])
    expectClose(compared.relative.values, Float32Array.of(28 / 30, 36 / 40), 0)
    expect(compared.unshared).to.deep.equal([
      { axis: 'layer', a: ['2'], b: ['3'] },
      { axis: 'token', a: [' x'], b: [' z'] },
    ])
    expect(compared.notes).to.deep.equal([
      '1 of layer only in a: 2.',
      '1 of layer only in b: 3.',
      '1 of token only in a: ·x.',
      '1 of token only in b: ·z.',
    ])
  })

  it('matches the first of a repeated label with the first, the second with the second', () => {
    const compared = compare(made([1, 2, 3], [axis('token', 'a', 'b', 'a')]), made([10, 30, 40, 20], [axis('token', 'a', 'a', 'a', 'b')])) // prettier-ignore
    expect([...compared.a.values]).to.deep.equal([1, 2, 3])
    expect([...compared.b.values]).to.deep.equal([10, 20, 30])
    expect(compared.unshared).to.deep.equal([{ axis: 'token', a: [], b: ['a'] }])
  })

  it('does not hang on the order of labels and axes, and turns round with its sides', () => {
    const { next } = random(5)
    const axes = [axis('p', '0', '1', '2'), axis('q', 'a', 'b', 'c', 'd')]
    const a = made(Array.from({ length: 12 }, () => next()), axes) // prettier-ignore
    const b = made(Array.from({ length: 12 }, () => next() - 0.5), axes) // prettier-ignore
    const backwards = [...axes[1]!.labels].reverse()
    const turned = made(backwards.flatMap((q) => axes[0]!.labels.map((p) => b.at(p, q))), [axis('q', ...backwards), axes[0]!]) // prettier-ignore
    const compared = compare(a, b)
    expect(compare(a, turned).toJSON()).to.deep.equal(compared.toJSON())
    const other = compare(b, a)
    expectClose(other.difference.values, compared.difference.values.map((value) => -value), 0) // prettier-ignore
    expectClose(other.relative.values, compared.relative.values.map((value) => -value), 0) // prettier-ignore
    expect(other.agreement).to.deep.equal(compared.agreement)
    expect(compared.agreement.pearson).to.equal(pearson(a.values, b.values))
    expect(compared.agreement.spearman).to.equal(spearman(a.values, b.values))
  })

  it('defines differences of zeros, signs, NaN and infinities, and counts what it leaves out', () => {
    const a = [0, 0, 2, -2, NaN, Infinity, Infinity, 1]
    const b = [0, 3, 0, 2, 1, Infinity, 1, NaN]
    const compared = compare(made(a, [axis('n', ...'abcdefgh')]), made(b, [axis('n', ...'abcdefgh')]))
    expect([...compared.difference.values]).to.deep.equal([0, 3, -2, 4, NaN, 0, -Infinity, NaN])
    expect([...compared.relative.values]).to.deep.equal([0, 1, -1, 2, NaN, 0, NaN, NaN])
    expect(compared.notes).to.deep.equal(['4 of 8 pairs hold NaN or infinity and do not count in what sums up.'])
    expect(compared.agreement).to.deep.include({ pairs: 4, meanChange: 9 / 4, largestChange: 4 })
    expect(compared.agreement).to.deep.equal(agreement(Float32Array.from(a.slice(0, 4)), Float32Array.from(b.slice(0, 4)))) // prettier-ignore
    expect(compared.toTable().rows.map(([label]) => label)).to.deep.equal(['d', 'b', 'c', 'a', 'f'])
  })

  it('says none for a correlation that is undefined', () => {
    const compared = compare(made([1, 1], [axis('n', 'a', 'b')]), made([1, 2], [axis('n', 'a', 'b')]))
    expect([compared.agreement.pearson, compared.agreement.spearman]).to.deep.equal([NaN, NaN])
    expect(stripVTControlCharacters(String(compared))).to.include('2 pairs: Pearson r none, Spearman ρ none, mean change 0.5000, largest change 1') // prettier-ignore
    expect(compared.by('n').rows[0]!.slice(0, 4)).to.deep.equal(['b', 1, null, null])
    const empty = compare(made([], [axis('n')]), made([], [axis('n')]))
    expect(empty.agreement).to.deep.equal({
      pairs: 0,
      pearson: NaN,
      spearman: NaN,
      meanChange: NaN,
      largestChange: NaN,
    })
  })

  it('tells what differs where the two come from, and in their settings', () => {
    const a = made([1], [axis('n', 'a')], { extra: { cosine: false, seen: 3, list: [1] } })
    const other = { ...provenance, model: 'large', modelFiles: { 'model.safetensors': 'bbb' }, saes: ['res/1'], seed: undefined } // prettier-ignore
    const b = made([1], [axis('n', 'a')], { title: 'another', unit: 'bits', extra: { cosine: true, seen: 3, list: [2] }, provenance: other }) // prettier-ignore
    const { differences, notes } = compare(a, b)
    expect(differences).to.deep.equal([
      { name: 'Title', a: 'change', b: 'another' },
      { name: 'Unit', a: 'nats', b: 'bits' },
      { name: 'cosine', a: 'false', b: 'true' },
      { name: 'Model', a: 'small', b: 'large' },
      { name: 'SAEs', a: 'res/0', b: 'res/1' },
      { name: 'Seed', a: '1' },
      { name: 'model.safetensors', a: 'sha256 aaa', b: 'sha256 bbb' },
    ])
    expect(notes).to.deep.equal(['Units differ: nats and bits.'])
    const text = stripVTControlCharacters(String(compare(a, b)))
    expect(text).to.include('\nModel: small | large\n').and.include('\nSeed: 1 | none\n')
    expect(String(compare(a, a))).to.match(/\nBoth come from the same model, weights, settings and library\.$/)
  })

  describe('as it is shown', () => {
    const axes = [axis('layer', '0', '1'), axis('token', ' the', '\n', '😀')]
    const a = made([1, 2, 3, 4, 5, 6], axes)
    const b = made([1, 2, 2.5, 4, 9, 6.25], axes)
    const compared = compare(a, b, { names: ['before', 'after'] })

    it('prints the largest changes first, in the REPL too', () => {
      const table = compared.toTable({ limit: 2 })
      expect(table.columns.map(({ name }) => name)).to.deep.equal(['layer', 'token', 'before', 'after', 'difference', 'relative']) // prettier-ignore
      expect(table.rows).to.deep.equal([
        ['1', '⏎', 5, 9, 4, Math.fround(4 / 9)],
        ['0', '😀', 3, 2.5, -0.5, Math.fround(-0.5 / 3)],
      ])
      expect(table.note).to.equal('… and 4 smaller changes')
      expect(inspect(compared)).to.equal(String(compared))
      expect(() => compared.toTable({ limit: 0.5 })).to.throw(
        'toTable: limit is 0.5. It must be a whole number from 0.',
      )
    })

    it('sums up at each place of an axis', () => {
      const { rows, columns } = compared.by('layer')
      expect(columns.map(({ name }) => name)).to.deep.equal(['layer', 'pairs', 'Pearson r', 'Spearman ρ', 'mean change', 'largest change']) // prettier-ignore
      for (const [label, ...numbers] of rows) {
        const [x, y] = [a, b].map((result) => result.select('layer', label as string).values) as [Float32Array, Float32Array] // prettier-ignore
        expect(numbers).to.deep.equal(Object.values(agreement(x, y)))
      }
      expect(rows.map(([label]) => label)).to.deep.equal(['1', '0'])
      const tokens = compared.by('token').rows
      expect(tokens[0]).to.deep.equal(['⏎', 2, 1, 1, 2, 4])
      expect(() => compared.by('layr')).to.throw("by: there is no axis 'layr'. Did you mean 'layer'? The axes are layer, token.") // prettier-ignore
    })

    it('draws a against b, each point named', () => {
      const { data, layout } = compared.plot()
      expect(data[1]).to.deep.include({ x: [1, 2, 3, 4, 5, 6], y: [1, 2, 2.5, 4, 9, 6.25] })
      expect((data[1]!['text'] as string[])[4]).to.equal('1, ⏎')
      expect(JSON.stringify(layout)).to.include('before').and.include('after').and.include('r = ')
    })

    it('has a row a pair', () => {
      const { columns, length } = compared.toRows()
      expect(columns.map(({ name, cells }) => [name, cells(4, 5)[0]])).to.deep.equal([
        ['layer', '1'],
        ['token', '\n'],
        ['before', 5],
        ['after', 9],
        ['difference', 4],
        ['relative', Math.fround(4 / 9)],
      ])
      expect(length).to.equal(6)
    })

    it('comes back from JSON', () => {
      const back = Comparison.fromJSON(JSON.parse(JSON.stringify(compared)))
      expect(back).to.deep.equal(compared)
      expect(back.plot()).to.deep.equal(compared.plot())
    })
  })

  it('refuses what cannot be compared', async () => {
    const a = made([1, 2], [axis('layer', '0', '1')])
    expect(await refusalOf(() => compare(a, made([1], [axis('layer', '0')], { kind: 'patching' })))).to.equal(
      "MismatchError: compare: the results are of the kinds 'ablation' and 'patching'. Give two of one kind.",
    )
    expect(await refusalOf(() => compare(a, made([1], [axis('head', '0')])))).to.equal(
      'MismatchError: compare: the axes are layer and head. Take mean, sum or select of one until they are the same.',
    )
    expect(await refusalOf(() => compare(a, made([1], [])))).to.include('the axes are layer and none.')
    expect(await refusalOf(() => compare(a, made([1], [axis('layer', '7')])))).to.equal(
      "MismatchError: compare: axis 'layer' has no label in both: 0, 1, and 7. Compare results with places in common.",
    )
    for (const other of [null, 3, {}]) {
      expect(await refusalOf(() => compare(a, other as never))).to.match(
        /^ArgumentError: compare: a \w+ holds no result\./,
      )
    }
  })
})
