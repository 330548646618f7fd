import { inspect, stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { ArgumentError, FileError, ShapeError } from '../../../../lib/errors/errors.js'
import type { Provenance } from '../../../../lib/report/result/provenance.js'
import { Result } from '../../../../lib/report/result/result.js'

const provenance: Provenance = {
  library: 'tfjs-lens 0.1.0',
  backend: 'cpu',
  model: 'pocket-gpt2',
  modelFiles: { 'model.safetensors': 'abc' },
  processing: { foldLn: true },
  prependBos: true,
  seed: 1,
}

/** [layer 2, head 3, token 2] with the values 0 … 11. */
function counting(): Result {
  return new Result({
    kind: 'count',
    title: 'Counting',
    unit: 'logits',
    values: Float32Array.from({ length: 12 }, (_, i) => i),
    axes: [
      { name: 'layer', labels: ['L0', 'L1'] },
      { name: 'head', labels: ['a', 'b', 'c'] },
      { name: 'token', labels: [' the', '</script><script>alert(1)</script>,"\n'] },
    ],
    provenance,
    notes: ['Counted by hand.'],
    extra: { correlation: 0.5 },
  })
}

function list(values: number[], labels = values.map((_, i) => `n${i}`)): Result {
  const axes = [{ name: 'item', labels }]
  return new Result({ kind: 'list', title: 'List', unit: '', values: Float32Array.from(values), axes, provenance })
}

describe('result', () => {
  it('finds a value by position, label or both', () => {
    const result = counting()
    expect(result.shape).to.deep.equal([2, 3, 2])
    expect(result.at(1, 2, 1)).to.equal(11)
    expect(result.at('L1', 'b', ' the')).to.equal(8)
    expect(result.at('L0', -1, 0)).to.equal(4)
    expect(result.shape).to.deep.equal([2, 3, 2]) // reading changes nothing
  })

  it('says what is wrong with an index', () => {
    const result = counting()
    expect(() => result.at(0, 0)).to.throw(
      ArgumentError,
      'at: got 2 indices. Give 3, one an axis (layer, head, token).',
    )
    expect(() => result.at(2, 0, 0)).to.throw(ArgumentError, "at: axis 'layer' has no position 2. It has 2, from 0.")
    expect(() => result.at(0.5, 0, 0)).to.throw(ArgumentError, 'no position 0.5')
    expect(() => result.at('L01', 0, 0)).to.throw(ArgumentError, "axis 'layer' has no label 'L01'. Did you mean 'L0'?")
    expect(() => list([1, 2], [' a', ' a']).at(' a')).to.throw(
      ArgumentError,
      "at: label ' a' stands 2 times on axis 'item'. Give a position: 0, 1.",
    )
  })

  it('takes means, sums and slices along any axis', () => {
    const result = counting()
    expect([...result.sum('layer').values]).to.deep.equal([6, 8, 10, 12, 14, 16])
    expect([...result.mean('head').values]).to.deep.equal([2, 3, 8, 9])
    expect([...result.mean('token').values]).to.deep.equal([0.5, 2.5, 4.5, 6.5, 8.5, 10.5])
    expect([...result.select('head', 'b').values]).to.deep.equal([2, 3, 8, 9])
    expect(result.mean('head').axes.map(({ name }) => name)).to.deep.equal(['layer', 'token'])
    expect(result.mean('head').title).to.equal('Counting, mean over head')
    expect(result.select('token', 0).title).to.equal('Counting, token ·the')
  })

  it('agrees with itself: a sum is the mean times the count, the order of axes does not matter', () => {
    const result = counting()
    const total = result.sum('token').sum('layer').sum('head')
    expect(total.shape).to.deep.equal([])
    expect(total.at()).to.equal(66)
    expect(result.sum('head').sum('layer').sum('token').at()).to.equal(66)
    expect(result.mean('head').mean('token').mean('layer').at() * 12).to.equal(66)
  })

  it('keeps provenance and notes of what it was made from, and leaves extra data behind', () => {
    const mean = counting().mean('head')
    expect(mean.provenance).to.equal(provenance)
    expect(mean.notes).to.deep.equal(['Counted by hand.'])
    expect(mean.extra).to.deep.equal({})
  })

  it('lets a NaN show in means', () => {
    expect(list([1, NaN]).mean('item').at()).to.deep.equal(NaN)
  })

  it('refuses an axis that is not there', () => {
    expect(() => counting().mean('haed')).to.throw(
      ArgumentError,
      "mean: the result has no axis 'haed'. Did you mean 'head'? The axes are layer, head, token.",
    )
    expect(() => list([1]).sum('item').sum('item')).to.throw(ArgumentError, 'It has none left.')
  })

  it('has a value where there is a single one', () => {
    expect(list([5]).value).to.equal(5)
    expect(list([5, 7]).mean('item').value).to.equal(6)
    expect(() => counting().value).to.throw(
      ArgumentError,
      'value: there are 12 values (axes layer, head, token). Take mean, sum or select first, or use at.',
    )
  })

  it('ranks by magnitude, size or smallness, never a NaN', () => {
    const result = list([1, NaN, -5, 3, Infinity, 3])
    const ranked = (k: number, by?: 'magnitude' | 'largest' | 'smallest') =>
      result.top(k, { by }).map(({ value }) => value)
    expect(ranked(3)).to.deep.equal([Infinity, -5, 3])
    expect(ranked(9, 'largest')).to.deep.equal([Infinity, 3, 3, 1, -5])
    expect(ranked(2, 'smallest')).to.deep.equal([-5, 1])
    expect(result.top(3)[2]).to.deep.equal({ labels: ['n3'], index: [3], value: 3 }) // the earlier of equals
    expect(counting().top(1)[0]!.index).to.deep.equal([1, 2, 1])
    expect(() => result.top(-1)).to.throw(ArgumentError, 'top: k is -1.')
  })

  it('refuses values that do not fill the axes, and an axis named twice', () => {
    const init = { kind: 'k', title: 't', unit: 'u', values: new Float32Array(3), provenance }
    const axis = { name: 'layer', labels: ['0', '1'] }
    expect(() => new Result({ ...init, axes: [axis] })).to.throw(
      ShapeError,
      'Result: there are 3 values. Axes [layer 2] need 2.',
    )
    expect(() => new Result({ ...init, axes: [axis, axis] })).to.throw(ArgumentError, "two axes are named 'layer'")
  })

  describe('as JSON', () => {
    it('comes back exactly, NaN as null and the infinities by name', () => {
      const values = [0.1, 1 / 3, 16777217, 1.17549435e-38, 3.4028234663852886e38, -0.7, 123456.789, NaN, -Infinity]
      const result = list(values)
      const text = JSON.stringify(result)
      const back = Result.fromJSON(JSON.parse(text))
      expect([...back.values.slice(0, 7)]).to.deep.equal([...result.values.slice(0, 7)])
      expect([...back.values.slice(7)]).to.deep.equal([NaN, -Infinity])
      expect(text).to.include('"values":[0.1,0.333333') // the fewest digits that give the float32 back
      expect(text).to.match(/null,"-Infinity"\]/)
    })

    it('keeps labels, notes, provenance and extra data, and says its format', () => {
      const json = counting().toJSON()
      expect(json).to.include({ format: 'tfjs-lens-result', version: 1, kind: 'count', unit: 'logits' })
      expect(json.shape).to.deep.equal([2, 3, 2])
      expect(Result.fromJSON(JSON.parse(JSON.stringify(json))).toJSON()).to.deep.equal(json)
    })

    it('refuses what is no such JSON', () => {
      const json = JSON.parse(JSON.stringify(counting())) as Record<string, unknown>
      const reading = (change: Record<string, unknown>) => () => Result.fromJSON({ ...json, ...change })
      expect(() => Result.fromJSON(null)).to.throw(FileError, 'fromJSON: the value is wrong')
      expect(reading({ version: 2 })).to.throw(FileError, "fromJSON: field 'version' is wrong")
      expect(reading({ values: ['1'] })).to.throw(FileError, "field 'values.0' is wrong")
      expect(reading({ provenance: { ...provenance, model: 3 } })).to.throw(FileError, "field 'provenance.model'")
      expect(reading({ shape: [3, 2, 2] })).to.throw(
        FileError,
        'shape is [3, 2, 2]. The labels of the axes make it [2, 3, 2].',
      )
      expect(reading({ values: [1] })).to.throw(FileError, 'there are 1 values. Shape [2, 3, 2] needs 12.')
    })
  })

  it('writes long CSV with hostile labels quoted', () => {
    const lines = counting().toCsv().split('\r\n')
    expect(lines[0]).to.equal('layer,head,token,value')
    expect(lines[1]).to.equal('L0,a," the",0')
    expect(lines[12]).to.equal('L1,c,"</script><script>alert(1)</script>,""\n",11')
    expect(lines).to.have.length(14) // the last row ends its line too
  })

  describe('as a table', () => {
    it('shows two axes as a matrix, the short one along the top', () => {
      const table = counting().select('token', 0).toTable()
      expect(table.columns.map(({ name }) => name)).to.deep.equal(['layer \\ head', 'a', 'b', 'c'])
      expect(table.rows).to.deep.equal([
        ['L0', 0, 2, 4],
        ['L1', 6, 8, 10],
      ])
      const wide = new Result({
        ...counting(),
        values: Float32Array.from({ length: 26 }, (_, i) => i),
        axes: [
          { name: 'layer', labels: ['0', '1'] },
          { name: 'token', labels: Array.from({ length: 13 }, (_, i) => ` ${i}`) },
        ],
      })
      expect(wide.toTable().columns.map(({ name }) => name)).to.deep.equal(['token \\ layer', '0', '1'])
      expect(wide.toTable().rows[3]).to.deep.equal(['·3', 3, 16])
    })

    it('shows other numbers of axes as a list, as many rows as wished', () => {
      const table = counting().toTable({ limit: 2 })
      expect(table.rows).to.deep.equal([
        ['L0', 'a', '·the', 0],
        ['L0', 'a', '</script><script>alert(1)</script>,"⏎', 1],
      ])
      expect(table.note).to.equal('… and 10 more rows')
      expect(list([7]).sum('item').toTable().rows).to.deep.equal([[7]])
    })

    it('writes as many digits as wished', () => {
      const text = stripVTControlCharacters(list([1.23456]).toTable({ digits: 1 }).toString())
      expect(text).to.include(' 1.2 ')
    })
  })

  it('prints its title, unit, notes and origin, in the REPL too', () => {
    const text = stripVTControlCharacters(counting().toString())
    expect(text.split('\n')[0]).to.equal('Counting (logits)')
    expect(text).to.include('Note: Counted by hand.')
    expect(text).to.match(/pocket-gpt2, cpu, tfjs-lens 0\.1\.0$/)
    expect(inspect(counting())).to.equal(counting().toString())
  })

  it('plots bars, a heat map, or the mean over the last axis, and says so', () => {
    const three = counting().plot()
    expect(three.data[0]).to.deep.include({
      type: 'heatmap',
      z: [
        [0.5, 2.5, 4.5],
        [6.5, 8.5, 10.5],
      ],
    })
    expect(three.layout.title).to.have.property('text', 'Counting, mean over token')
    expect(list([1, -2]).plot().data[0]).to.deep.include({ type: 'bar', y: [1, -2] })
    const four = new Result({ ...counting(), axes: [...counting().axes, { name: 'more', labels: ['x'] }] })
    expect(() => four.plot()).to.throw(ArgumentError, 'plot: the result has 4 axes (layer, head, token, more).')
  })
})
