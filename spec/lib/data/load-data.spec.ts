/** `loadData`: every kind of source gives its documents, only what is needed is read, and bad ones are refused in words. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { loadData } from '../../../lib/data/load-data.js'
import type { DataSource } from '../../../lib/data/open-documents.js'
import { readParquet } from '../../../lib/data/parquet-documents.js'
import type { DataOptions } from '../../../lib/data/row-rules.js'
import { pocketText } from '../../../models/index.js'
import { pocket } from '../../support/pocket.js'
import { refusalOf } from '../../support/refusal.js'
import {
  batchesOf,
  expectResumable,
  lettersModel,
  lettersTokenizer,
  rowsOf,
  textsOf,
} from '../../support/token-data.js'
import { MemoryFile, withFolder } from '../../support/weight-files.js'

const recorded = (name: string) => fileURLToPath(new URL(`../../reference/data/${name}`, import.meta.url))
const single: DataOptions = { layout: 'documents', prependBos: false, positions: 20 }
const jsonl = (...texts: string[]) => texts.map((text) => JSON.stringify({ id: 1, text })).join('\n')

const load = (source: DataSource, options: DataOptions = {}) =>
  loadData(lettersModel, source, { ...single, ...options })
const documents = async (source: DataSource, options: DataOptions = {}) => textsOf(await load(source, options))
const refusal = (source: DataSource, options: DataOptions = {}) => refusalOf(() => documents(source, options))

describe('lib/data/load-data', () => {
  before(() => pocket())

  describe('sources', () => {
    it('are lists of texts, or of ids, which are used as they are', async () => {
      expect(await documents(['ab', 'cd'])).to.deep.equal(['ab', 'cd'])
      const ids = await loadData(lettersModel, [[4, 5, 6, 7, 8], [9]], { positions: 4 })
      expect(await rowsOf(ids)).to.deep.equal([[4, 5, 6, 7], [9]])
      const packed = await loadData(lettersModel, [[4, 5, 6, 7, 8], [9]], {
        positions: 4,
        layout: 'packed',
        prependBos: true,
      })
      expect(await rowsOf(packed)).to.deep.equal([
        [1, 4, 5, 6],
        [1, 7, 8, 9],
      ])
    })

    it('are text files: one document each, or with a mark between documents', () =>
      withFolder({ 'a.txt': 'ab\nc', 'b.txt': ' \n', 'c.txt': 'd^^e^f^^^^\n^^g', 'notes.md': '' }, async (folder) => {
        expect(await documents(`${folder}/a.txt`)).to.deep.equal(['abc'])
        expect(await documents(folder)).to.deep.equal(['abc', 'd^^e^f^^^^^^g'])
        expect(await documents(`${folder}/c.txt`, { separator: '^^' })).to.deep.equal(['d', 'e^f', 'g'])
        await expectResumable(await load(folder, { separator: '^^', rows: 1 }))
      }))

    it('are JSON Lines, also packed by gzip, with the text in a column that is found or named', () =>
      withFolder(
        {
          'a.jsonl': jsonl('ab', 'cd') + '\n\n' + jsonl('ef') + '\r\n',
          'b.jsonl.gz': gzipSync(jsonl('gh')),
          'c.ndjson': '{"problem": "xy", "answer": "z"}\n{"problem": null, "answer": "w"}\n',
          'd.json': '{"tokens": [4, 5], "text": "zz"}\n{"tokens": [6], "text": "zz"}\n',
        },
        async (folder) => {
          expect(await documents(`${folder}/a.jsonl`)).to.deep.equal(['ab', 'cd', 'ef'])
          expect(await documents(`${folder}/b.jsonl.gz`)).to.deep.equal(['gh'])
          expect(await documents(`${folder}/c.ndjson`)).to.deep.equal(['xy'])
          expect(await documents(`${folder}/c.ndjson`, { column: 'answer' })).to.deep.equal(['z', 'w'])
          expect(await rowsOf(await loadData(lettersModel, `${folder}/d.json`))).to.deep.equal([[4, 5], [6]])
          expect(await documents(folder, { files: ['b*', '?.jsonl'] })).to.deep.equal(['ab', 'cd', 'ef', 'gh'])
          await expectResumable(await load(folder, { files: ['a*', 'b*'], rows: 1 }))
        },
      ))

    it('are lines longer than what is read at a time, cut anywhere', () => {
      const long = ['a'.repeat(2 ** 20 - 12), 'é'.repeat(2 ** 19), 'c'.repeat(3 * 2 ** 20)]
      return withFolder({ 'a.jsonl': jsonl(...long, 'end') }, async (folder) => {
        const data = await load(`${folder}/a.jsonl`, { layout: 'packed', positions: 100, between: 'none', rows: 1000 })
        const ids = long.concat('end').flatMap((text) => lettersTokenizer.encode(text))
        const all = Int32Array.from((await rowsOf(data)).flat())
        expect(all.length).to.equal(ids.length - (ids.length % 100))
        expect(Buffer.from(all.buffer).equals(Buffer.from(Int32Array.from(ids.slice(0, all.length)).buffer))).to.equal(
          true,
        )
      })
    })

    it('are Parquet files: texts, nothing for null, and ids of 32 and 64 bits, row group by row group', async () => {
      const model = await pocket()
      const data = await loadData(model, recorded('texts.parquet'), { layout: 'documents', rows: 1 })
      const texts = (await rowsOf(data)).map((row) => model.toString(row.slice(1)))
      expect(texts).to.deep.equal(['Once.', 'Grüße aus 東京 🎉', 'A fourth\nline.', 'Fifth.'])
      await expectResumable(data)
      const ids = [[0, 5, 7], [1], [2, 3, 1292], [4], [6, 6], [8, 9, 10, 11]]
      for (const name of ['ids', 'ids32']) {
        expect(await rowsOf(await loadData(model, recorded(`${name}.parquet`)))).to.deep.equal(ids)
      }
    })

    it('are read no further than is asked for', async () => {
      const bytes = await readFile(pocketText('train'))
      let read = 0
      class Counting extends MemoryFile {
        override read(offset: number, length: number) {
          read += length
          return super.read(offset, length)
        }
      }
      const file = new Counting(bytes)
      const take = async (skip: number) => {
        read = 0
        for await (const document of readParquet(file, skip, undefined)) return [document, read] as const
        return ['', read] as const
      }
      const [first, cost] = await take(0)
      expect(cost).to.be.lessThan(bytes.length / 5) // the foot and one of ten row groups
      const [later, laterCost] = await take(15_001)
      expect(laterCost).to.be.lessThan(bytes.length / 5)
      expect(later).to.be.a('string').and.not.equal(first)
    })

    it('are the embedded text', async () => {
      const model = await pocket()
      const test = await loadData(model, pocketText('test'), { limit: 16 })
      const [batch] = await batchesOf(test)
      expect([batch!.tokens.batch, batch!.tokens.positions]).to.deep.equal([8, 128])
      expect(test.about).to.deep.equal({
        source: 'stories-test.jsonl',
        files: ['stories-test.jsonl'],
        bytes: [290045],
        layout: 'packed',
        positions: 128,
        bos: 0,
        between: 0,
        rows: 8,
        limit: 16,
      })
      expect(await model.loss(batch!.tokens)).to.be.within(0.9, 1.4) // CARD.md: 1.07 nats on whole documents, 1.197 packed
    })
  })

  describe('files of a folder', () => {
    const files = {
      'README.md': '',
      'dataset_infos.json': '{}',
      'en/train-00000-of-00002.jsonl': jsonl('a'),
      'en/train-00001-of-00002.jsonl': jsonl('b'),
      'en/test.jsonl': jsonl('c'),
      'de/train.jsonl': jsonl('d'),
      'LICENSE.txt': 'x',
    }

    it('are those of a configuration and a split, train by default, in order', () =>
      withFolder(files, async (folder) => {
        const options = { config: 'en' }
        expect(await documents(folder, options)).to.deep.equal(['a', 'b'])
        expect(await documents(folder, { ...options, split: 'test' })).to.deep.equal(['c'])
        expect(await documents(folder, { files: '*/train*' })).to.deep.equal(['d', 'a', 'b'])
        expect(await documents(folder, { files: '**/test.jsonl' })).to.deep.equal(['c'])
        expect(await documents(`${folder}/en`)).to.deep.equal(['a', 'b'])
      }))

    it('must be named where several configurations or splits are there', () =>
      withFolder(files, async (folder) => {
        expect(await refusal(folder)).to.equal(
          `FileError: loadData: '${folder}' has several configurations (de, en). Name one by config, or files by files.`,
        )
        expect(await refusal(folder, { config: 'em' })).to.equal(
          `FileError: loadData: '${folder}' has no configuration 'em'. It has de, en. Did you mean 'en'?`,
        )
        expect(await refusal(folder, { config: 'en', split: 'tets' })).to.equal(
          `FileError: loadData: '${folder}' has no split 'tets'. It has test, train. Did you mean 'test'?`,
        )
        expect(await refusal(folder, { files: 'fr/*' })).to.include(`no data file of '${folder}' fits 'fr/*'`)
      }))
  })

  describe('bad input', () => {
    it('is a data set with no text column, or not the one named', async () => {
      expect(await refusal(recorded('no-text.parquet'))).to.match(
        /^FileError: read .*no-text\.parquet: no text column\. It has title, body\. Name the one with the texts \(column: '…'\)\.$/,
      )
      expect(await refusal(recorded('no-text.parquet'), { column: 'bodi' })).to.match(
        /: no column 'bodi'\. It has title, body\. Did you mean 'body'\?$/,
      )
      await withFolder({ 'a.jsonl': '{"name": "x"}' }, async (folder) => {
        expect(await refusal(`${folder}/a.jsonl`)).to.match(/a\.jsonl, line 1: no text column\. It has name\./)
      })
    })

    it('is a broken line, named by its number', () =>
      withFolder(
        {
          'broken.jsonl': `${jsonl('ab')}\n\n{"text": "c\n${jsonl('ef')}`,
          'list.jsonl': `${jsonl('ab')}\n[1, 2]`,
          'number.jsonl': `${jsonl('ab')}\n{"text": 3}`,
          'missing.jsonl': `${jsonl('ab')}\n{"txt": "a"}`,
          'latin1.jsonl': Buffer.from('{"text": "caf\xe9"}', 'latin1'),
        },
        async (folder) => {
          expect(await refusal(`${folder}/broken.jsonl`)).to.match(
            /^FileError: read .*broken\.jsonl, line 3: unexpected end at line 1, column 12\. Valid JSON is needed\.$/,
          )
          expect(await refusal(`${folder}/list.jsonl`)).to.match(/line 2: it is \[1,2\]\. An object with a text in it/)
          expect(await refusal(`${folder}/number.jsonl`)).to.match(
            /^TokenError: .*line 2: column 'text' holds a number\. A text or a list of token ids/,
          )
          expect(await refusal(`${folder}/missing.jsonl`)).to.match(/line 2: no text column\. It has txt\./)
          expect(await refusal(`${folder}/latin1.jsonl`)).to.match(/line 1: it is not UTF-8 text/)
        },
      ))

    it('is a file that is truncated or damaged', async () => {
      const parquet = await readFile(recorded('texts.parquet'))
      const damaged = Buffer.from(parquet)
      damaged.fill(0xff, 4, 200)
      const files = {
        'half.parquet': parquet.subarray(0, parquet.length >> 1),
        'damaged.parquet': damaged,
        'none.parquet': '',
        'half.jsonl.gz': gzipSync(jsonl('ab', 'cd')).subarray(0, 30),
      }
      await withFolder(files, async (folder) => {
        for (const name of ['half.parquet', 'damaged.parquet', 'none.parquet']) {
          expect(await refusal(path.join(folder, name)), name).to.match(
            /^FileError: read .*\.parquet: not a sound Parquet file \(.+\)\. It is damaged or truncated\.$/,
          )
        }
        expect(await refusal(`${folder}/half.jsonl.gz`)).to.match(
          /^FileError: read .*half\.jsonl\.gz: it does not unpack \(unexpected end of file\)/,
        )
      })
    })

    it('is empty data, or too little for a row', () =>
      withFolder({ 'a.jsonl': '\n\n', 'b.jsonl': jsonl('', ''), 'sub/readme.md': '' }, async (folder) => {
        expect(await refusal(`${folder}/a.jsonl`)).to.equal(
          "FileError: loadData: 'a.jsonl' is empty. Give data with at least one document that is not.",
        )
        expect(await refusal(`${folder}/b.jsonl`)).to.include("'b.jsonl' is empty")
        expect(await refusal([])).to.include("'list' is empty")
        expect(await refusal(['abc'], { layout: 'packed' })).to.equal(
          "FileError: loadData: the data does not fill a single row of 20 tokens. Take fewer positions, or layout 'documents'.",
        )
        expect(await refusal(`${folder}/sub`)).to.match(
          /has no \.parquet, \.jsonl or \.txt file\. It holds readme\.md\./,
        )
      }))

    it('is token ids of another vocabulary, or mixed with text', async () => {
      expect(await refusal([[4, 30]])).to.equal(
        'MismatchError: loadData: the data has a token id 30, and those of letters go from 0 to 29. It was tokenized for another model: use its text.',
      )
      expect(await refusal([[4], [5, -1]])).to.include('token id -1')
      expect(await refusal([[4], 'ab'] as unknown as string[])).to.include('a text among token ids')
      expect(await refusal(['ab', [4]] as unknown as string[])).to.include('token ids among texts')
      expect(await refusal([[4]], { layout: 'chunked' })).to.include("layout 'chunked' needs text")
    })

    it('is no source, or one that is not there', async () => {
      expect(await refusal(7 as unknown as string)).to.match(/^ArgumentError: loadData: the source is none\./)
      expect(await refusal('./nothing.jsonl')).to.equal(
        "FileError: loadData: there is no file or folder './nothing.jsonl'. Name one, or a data set 'org/name' of the Hugging Face hub.",
      )
      expect(await refusal('some/where.jsonl')).to.include('there is no file or folder')
      expect(await refusal(fileURLToPath(import.meta.url))).to.include('is no .parquet, .jsonl or .txt file')
    })

    it('is an option out of its range', async () => {
      const words = async (options: object) =>
        (await refusal(['abc'], options)).replace('ArgumentError: loadData: ', '')
      expect(await words({ positions: 101 })).to.equal(
        'positions is 101. It must be a whole number from 2 to 100 (the context of letters).',
      )
      expect(await words({ rows: 0 })).to.equal('rows is 0. It must be a whole number from 1 up.')
      expect(await words({ layout: 'paked' })).to.equal(
        "layout is 'paked'. It must be 'packed', 'joined', 'chunked', 'documents'. Did you mean 'packed'?",
      )
      expect(await words({ between: 'sep' })).to.include("It must be 'bos', 'eos', 'none'.")
      expect(await refusalOf(() => loadData({ ...lettersModel, tokenizer: undefined }, ['a']))).to.match(/^TokenError/)
      const data = await load(['abc'])
      expect(await refusalOf(() => batchesOf(data, { step: 4 }))).to.equal(
        `ArgumentError: batches: {"step":4} is no place in this data. Give the 'next' of one of its batches.`,
      )
    })
  })
})
