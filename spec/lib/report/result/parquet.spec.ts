/** Parquet files of results and tables, read back by another program's reader; and how the ways of writing are chosen. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { expect } from 'chai'
import { ArgumentError } from '../../../../lib/errors/errors.js'
import type { Provenance } from '../../../../lib/report/result/provenance.js'
import { Result } from '../../../../lib/report/result/result.js'
import { stretch } from '../../../../lib/report/result/rows.js'
import { Table } from '../../../../lib/report/table/table.js'
import { refusalOf } from '../../../support/refusal.js'

const provenance: Provenance = { library: 'tfjs-lens', backend: 'cpu', model: 'm', modelFiles: {}, processing: {} }
const labels = [' the', '😀 é', '\n"', '__proto__', '']
const values = [1, NaN, -Infinity, 0.1, -0, 3, Infinity, 1e-40, 5, 6]

function made(init: Partial<Result>): Result {
  return new Result({ kind: 'k', title: 't', unit: 'u', values: new Float32Array(0), axes: [], provenance, ...init })
}

describe('parquet', () => {
  let folder: string
  let path: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parquet-'))
    path = join(folder, 'x.parquet')
  })
  after(() => rm(folder, { recursive: true }))

  const read = async () => {
    const file = await asyncBufferFromFile(path)
    const metadata = await parquetMetadataAsync(file)
    const types = metadata.schema
      .slice(1)
      .map(({ name, type, repetition_type }) => `${name} ${type} ${repetition_type}`)
    return { metadata, types, rows: await parquetReadObjects({ file, metadata }) }
  }

  it('holds a row a value, a column an axis, floats bit for bit and any text', async () => {
    const axes = [{ name: 'token', labels }, { name: 'layer', labels: ['0', '1'] }] // prettier-ignore
    const result = made({ values: Float32Array.from(values), axes, notes: ['n'] })
    await result.write(path)
    const { types, rows, metadata } = await read()
    expect(types).to.deep.equal(['token BYTE_ARRAY REQUIRED', 'layer BYTE_ARRAY REQUIRED', 'value FLOAT REQUIRED'])
    expect(rows.map(({ token, layer }) => [token, layer])).to.deep.equal(labels.flatMap((token) => [[token, '0'], [token, '1']])) // prettier-ignore
    const bits = (numbers: number[]) => [...new Uint32Array(Float32Array.from(numbers).buffer)]
    expect(bits(rows.map(({ value }) => value as number))).to.deep.equal(bits(values))
    const header = JSON.parse(metadata.key_value_metadata!.find(({ key }) => key === 'tfjs-lens')!.value!) as object
    const { values: _, ...rest } = result.toJSON()
    expect(header).to.deep.equal(JSON.parse(JSON.stringify(rest)))
  })

  it('is written in row groups, whose rows come in order', async () => {
    const count = stretch * 2 + 7
    const numbers = Float32Array.from({ length: count }, (_, i) => i % 4099)
    const axis = { name: 'latent', labels: Array.from(numbers, (_, i) => `latent ${i}`) }
    await made({ values: numbers, axes: [axis] }).write(path)
    const { metadata, rows } = await read()
    expect(metadata.row_groups.map(({ num_rows }) => Number(num_rows))).to.deep.equal([stretch, stretch, 7])
    expect(rows.findIndex(({ latent, value }, i) => latent !== `latent ${i}` || value !== i % 4099)).to.equal(-1)
    expect(rows).to.have.length(count)
  })

  it('holds a single number, and none', async () => {
    await made({ values: Float32Array.of(0.5) }).write(path)
    expect((await read()).rows).to.deep.equal([{ value: 0.5 }])
    await made({ axes: [{ name: 'latent', labels: [] }] }).write(path)
    expect(await read()).to.deep.include({ rows: [], types: ['latent BYTE_ARRAY REQUIRED', 'value FLOAT REQUIRED'] })
  })

  it('of a table has whole numbers, numbers and text, null where a cell is empty', async () => {
    const rows = [[1, 0.1, 'x', 1, null, null], [-2, NaN, '😀', 'y', 3, null], [2 ** 31 - 1, 2 ** 31, '', null, 1, null]] // prettier-ignore
    await new Table(['whole', 'number', 'text', 'mixed', 'gaps', 'nothing'], rows).write(path)
    const back = await read()
    expect(back.types.map((type) => type.split(' ').slice(1).join(' '))).to.deep.equal([
      'INT32 REQUIRED',
      'DOUBLE REQUIRED',
      'BYTE_ARRAY REQUIRED',
      'BYTE_ARRAY OPTIONAL',
      'INT32 OPTIONAL',
      'BYTE_ARRAY OPTIONAL',
    ])
    const expected = rows.map((row) => [...row.slice(0, 3), row[3] === 1 ? '1' : row[3], ...row.slice(4)])
    expect(back.rows.map((row) => Object.values(row) as unknown[])).to.deep.equal(expected)
    await new Table(['minus zero'], [[-0], [1]]).write(path)
    expect((await read()).rows).to.deep.equal([{ 'minus zero': -0 }, { 'minus zero': 1 }]) // a double: no int32 has it
  })

  it('refuses two columns of one name, and writes nothing', async () => {
    const bad = join(folder, 'none.parquet')
    const named = made({ values: Float32Array.of(1), axes: [{ name: 'value', labels: ['x'] }] })
    expect(await refusalOf(() => named.write(bad))).to.equal(
      "ArgumentError: write: two columns are named 'value'. Parquet needs a name for each; write .csv or .json, or name them apart.",
    )
    expect(await refusalOf(() => new Table(['a', 'a'], []).write(bad))).to.include("two columns are named 'a'")
    expect(await readdir(folder)).to.deep.equal(['x.parquet'])
  })

  it('leaves the file that was there when it fails halfway', async () => {
    await made({ values: Float32Array.of(0.5) }).write(path)
    const before = await readFile(path)
    const broken = made({ values: new Float32Array(stretch + 1), axes: [{ name: 'latent', labels: Array.from({ length: stretch + 1 }, String) }] }) // prettier-ignore
    const rows = broken.toRows()
    const cells = (from: number, to: number) => {
      if (from > 0) throw new Error('lost')
      return broken.values.subarray(from, to)
    }
    broken.toRows = () => ({ ...rows, columns: [{ name: 'value', type: 'float32', cells }] })
    expect(await refusalOf(() => broken.write(path))).to.include('(lost)')
    expect(await readFile(path)).to.deep.equal(before)
    expect(await readdir(folder)).to.deep.equal(['x.parquet'])
  })
})

describe('writing a result', () => {
  let folder: string
  before(async () => void (folder = await mkdtemp(join(tmpdir(), 'write-'))))
  after(() => rm(folder, { recursive: true }))

  it('goes by the ending, in any case, and by no other', async () => {
    const result = made({ values: Float32Array.from(values), axes: [{ name: 'n', labels: values.map(String) }] })
    await result.write(join(folder, 'deep/er/a.CSV'))
    expect(await readFile(join(folder, 'deep/er/a.CSV'), 'utf8')).to.equal(result.toCsv())
    await result.write(join(folder, 'a.json'))
    expect(await readFile(join(folder, 'a.json'), 'utf8')).to.equal(JSON.stringify(result))
    expect(await refusalOf(() => result.write('a.parqet'))).to.equal(
      "ArgumentError: write: 'a.parqet' does not end in .json, .csv or .parquet. Did you mean '.parquet'? Name such a file.",
    )
    expect(await refusalOf(() => result.write('a'))).to.equal(
      "ArgumentError: write: 'a' does not end in .json, .csv or .parquet. Name such a file.",
    )
  })

  it('makes long CSV in pieces, the same as in one', async () => {
    const labels = Array.from({ length: 70_000 }, (_, i) => `latent "${i}"`)
    const result = made({ values: Float32Array.from(labels, (_, i) => i), axes: [{ name: 'latent', labels }] })
    await result.write(join(folder, 'long.csv'))
    const text = await readFile(join(folder, 'long.csv'), 'utf8')
    expect(text).to.equal(`latent,value\r\n${labels.map((_, i) => `"latent ""${i}""",${i}\r\n`).join('')}`)
  })

  it('says when JSON is too long for a text', async () => {
    const result = made({ values: Float32Array.of(1) })
    result.toJSON = () => {
      throw new RangeError('Invalid string length')
    }
    const error: unknown = await result.write(join(folder, 'x.json')).catch((e: unknown) => e)
    expect(error).to.be.instanceOf(ArgumentError)
    expect(String(error)).to.match(/the JSON of '.*x\.json' is longer than a text can be\. Write \.parquet\.$/)
  })
})
