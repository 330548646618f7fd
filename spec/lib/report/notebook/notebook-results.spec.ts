/** A notebook's numbers come back piece by piece, results as results. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect } from 'chai'
import { loadResult } from '../../../../analyses/index.js'
import { NotebookResults } from '../../../../lib/report/notebook/notebook-results.js'
import { Notebook } from '../../../../lib/report/notebook/notebook.js'
import type { Provenance } from '../../../../lib/report/result/provenance.js'
import { Result } from '../../../../lib/report/result/result.js'
import { Table } from '../../../../lib/report/table/table.js'
import { refusalOf } from '../../../support/refusal.js'

const provenance: Provenance = { library: 'tfjs-lens', backend: 'cpu', model: 'm', modelFiles: {}, processing: {} }
const axes = [{ name: 'item', labels: ['x', '__proto__'] }]
const result = new Result({
  kind: 'k',
  title: 'of two',
  unit: '',
  values: Float32Array.of(0.1, -Infinity),
  axes,
  provenance,
})
const table = new Table(['a'], [[1], ['😀']])

describe('notebook results', () => {
  let folder: string
  let path: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'notebook-'))
    path = join(folder, 'results.json')
    const { log } = console
    console.log = () => undefined
    try {
      const notebook = new Notebook('A study')
      notebook.keep('result', result)
      notebook.keep('nested', { list: [result, 2], table, floats: Float32Array.of(0.1, NaN) })
      notebook.keep('number', 7)
      notebook.keep('toString', [1])
      await notebook.write(folder, provenance)
    } finally {
      console.log = log
    }
  })
  after(() => rm(folder, { recursive: true }))

  const load = () => loadResult(path, NotebookResults)
  /** The refusal of the file with changes, as a whole or of a piece. */
  const refusal = async (change: object, piece?: string) => {
    const other = join(folder, 'changed.json')
    await writeFile(other, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...change }))
    return refusalOf(async () => {
      const loaded = await loadResult(other, NotebookResults)
      if (piece !== undefined) loaded.get(piece)
    })
  }

  it('gives each piece as what it was, inside lists and objects too', async () => {
    const loaded = await load()
    expect([loaded.title, loaded.names, loaded.provenance]).to.deep.equal(['A study', ['result', 'nested', 'number', 'toString'], provenance]) // prettier-ignore
    expect(loaded.get('result')).to.be.instanceOf(Result).and.deep.equal(result)
    expect(loaded.get('nested')).to.deep.equal({ list: [result, 2], table, floats: [0.1, null] })
    expect(loaded.get('number')).to.equal(7)
    expect(loaded.get('toString')).to.deep.equal([1])
    expect(loaded.get('result', Result).values).to.deep.equal(result.values)
  })

  it('lists what there is, in the REPL too, and can be saved again', async () => {
    const loaded = await load()
    expect(loaded.toTable().rows).to.deep.equal([
      ['result', 'tfjs-lens-result (k)'],
      ['nested', 'an object of 3'],
      ['number', '7'],
      ['toString', 'a list of 1'],
    ])
    expect(inspect(loaded)).to.equal(String(loaded))
    expect(JSON.parse(JSON.stringify(loaded))).to.deep.equal(JSON.parse(await readFile(path, 'utf8')))
  })

  it('says what there is where a name is wrong, and what a piece is where another was asked for', async () => {
    const loaded = await load()
    expect(await refusalOf(() => loaded.get('reslut'))).to.equal(
      "ArgumentError: get: nothing was kept as 'reslut'. Did you mean 'result'? There are result, nested, number, toString.",
    )
    expect(await refusalOf(() => loaded.get('constructor'))).to.include("nothing was kept as 'constructor'")
    expect(await refusalOf(() => loaded.get('number', Result))).to.equal(
      'MismatchError: get: number holds 7. A Result was asked for.',
    )
    expect(await refusalOf(() => loaded.get('result', Table))).to.equal(
      'MismatchError: get: result holds a Result. A Table was asked for.',
    )
  })

  it('holds a damaged piece against that piece alone', async () => {
    expect(await refusal({ result: { ...result.toJSON(), values: [1] } }, 'result')).to.equal(
      'FileError: get: result: there are 1 values. Shape [2] needs 2.',
    )
    expect(await refusal({ result: { ...result.toJSON(), values: [1] } }, 'number').catch(String)).to.equal(
      'Error: no error was thrown',
    )
    expect(await refusal({ provenance: { model: 3 } })).to.include("field 'provenance.library' is wrong")
    expect(await refusal({ title: undefined })).to.include("field 'title' is wrong")
  })

  it('keeps its own names for itself', async () => {
    const { log } = console
    console.log = () => undefined
    try {
      expect(await refusalOf(() => new Notebook('x').keep('provenance', 1))).to.equal(
        "ArgumentError: keep: 'provenance' is a name of the file's own, as are format, version, title, provenance. Take another.",
      )
    } finally {
      console.log = log
    }
  })
})
