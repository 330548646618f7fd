/** Rows of tokens: each layout against a plain form of its rule and against what the Python libraries make. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { loadData } from '../../../lib/data/load-data.js'
import type { DataOptions } from '../../../lib/data/row-rules.js'
import { random } from '../../../lib/stats/random.js'
import { pocketText } from '../../../models/index.js'
import { pocket } from '../../support/pocket.js'
import { expectResumable, lettersModel, lettersTokenizer, rowsOf, textsOf } from '../../support/token-data.js'

const [bos, eos, pad] = [1, 2, 3]

/** Documents of 0 to 12 letters, some of which begin or end with BOS or EOS. */
function randomTexts(seed: number, count: number): string[] {
  const { integer } = random(seed)
  return Array.from({ length: count }, () =>
    Array.from({ length: integer(13) }, () => 'abcdefghij^$'[integer(12)]).join(''),
  )
}

/** The rule of `packed`, token by token. */
function plainPacked(texts: readonly string[], P: number, first?: number, between?: number): number[][] {
  const rows: number[][] = []
  const row: number[] = []
  const push = (id: number) => {
    row.push(id)
    if (row.length === P) rows.push(row.splice(0))
  }
  for (const text of texts) {
    lettersTokenizer.encode(text).forEach((id, i) => {
      if (row.length > 0 && i === 0 && between !== undefined && id !== between) push(between)
      if (row.length === 0 && first !== undefined && id !== first) push(first)
      push(id)
    })
  }
  return rows
}

/** The rule of `joined`, on whole arrays. */
function plainJoined(texts: readonly string[], P: number, between?: number): number[][] {
  const rows: number[][] = []
  for (let group = 0; group < texts.length; group += 1000) {
    const documents = texts.slice(group, group + 1000).map((text) => lettersTokenizer.encode(text))
    const ids = documents.flatMap((each, i) => (i > 0 && between !== undefined ? [between, ...each] : each))
    for (let at = 0; at + P - 1 <= ids.length; at += P - 1) rows.push([bos, ...ids.slice(at, at + P - 1)])
  }
  return rows
}

describe('lib/data/token-rows', () => {
  const letters = (texts: readonly string[], options: DataOptions) => loadData(lettersModel, texts, options)

  it('packs by hand: BOS in front of a row and between documents, never twice, a cut document going on', async () => {
    const packed = (texts: string[], options: DataOptions = {}) =>
      letters(texts, { positions: 4, ...options }).then(textsOf)
    expect(await packed(['abcde', 'fg', 'hi'])).to.deep.equal(['^abc', '^de^', '^fg^'])
    expect(await packed(['abc', 'defgh'])).to.deep.equal(['^abc', '^def'])
    expect(await packed(['^ab', '^cd', 'ef'])).to.deep.equal(['^ab^', '^cd^'])
    expect(await packed(['ab', 'cdef'], { between: 'eos' })).to.deep.equal(['^ab$', '^cde'])
    expect(await packed(['ab', 'cdef'], { between: 'none' })).to.deep.equal(['^abc', '^def'])
    expect(await packed(['ab', 'cdef'], { prependBos: false })).to.deep.equal(['ab^c'])
  })

  for (const P of [2, 3, 5, 8, 13]) {
    it(`packs ${P} positions as the plain rule does`, async () => {
      const texts = randomTexts(P, 120)
      const cases = [
        [{}, bos, bos],
        [{ between: 'eos' }, bos, eos],
        [{ between: 'none' }, bos, undefined],
        [{ between: 'none', prependBos: false }, undefined, undefined],
        [{ between: 'eos', prependBos: false }, undefined, eos],
      ] as const
      for (const [options, first, between] of cases) {
        const rows = await rowsOf(await letters(texts, { ...options, positions: P }))
        expect(rows, JSON.stringify(options)).to.deep.equal(plainPacked(texts, P, first, between))
        expect(rows).to.have.length.greaterThan(40)
      }
    })

    it(`joins ${P} positions as the plain rule does, 1000 documents at a time`, async () => {
      const texts = randomTexts(P, 2345)
      const joined = await rowsOf(await letters(texts, { layout: 'joined', positions: P, rows: 100 }))
      expect(joined).to.deep.equal(plainJoined(texts, P, eos))
      const bare = await rowsOf(await letters(texts, { layout: 'joined', positions: P, rows: 100, between: 'none' }))
      expect(bare).to.deep.equal(plainJoined(texts, P))
    })
  }

  it('cuts the joined text into 20 pieces, drops padding tokens and then makes rows: chunked', async () => {
    // 39 characters with the ends: pieces of 2, each with an end of its own here
    const noisy: typeof lettersTokenizer = {
      ...lettersTokenizer,
      encode: (text) => [...lettersTokenizer.encode(text), pad, 9],
    }
    const texts = ['abcdefghijklmnopqrs', 'tuvwxyzabcdefghijklm'].map((text) => text.slice(0, 19))
    const data = await loadData({ ...lettersModel, tokenizer: noisy }, texts, { layout: 'chunked', positions: 20 })
    const joined = texts.join('$')
    const pieces = Array.from({ length: 20 }, (_, i) => joined.slice(2 * i, 2 * i + 2))
    const ids = pieces.flatMap((piece) => [...lettersTokenizer.encode(piece), 9])
    expect(await rowsOf(data)).to.deep.equal([0, 1, 2].map((i) => [bos, ...ids.slice(19 * i, 19 * i + 19)]))
  })

  it('gives each document a row of its own, cut or padded and masked', async () => {
    const data = await letters(['abcdef', '', 'ab', 'abc'], { layout: 'documents', positions: 5, between: 'eos' })
    const [batch] = await (async () => {
      for await (const each of data.batches()) return [each]
      return []
    })()
    expect(batch!.tokens.rows).to.deep.equal([
      [1, 4, 5, 6, 7],
      [1, 4, 5, 2, 3],
      [1, 4, 5, 6, 2],
    ])
    expect(batch!.tokens.mask).to.deep.equal([
      [1, 1, 1, 1, 1],
      [1, 1, 1, 1, 0],
      [1, 1, 1, 1, 1],
    ])
    expect(await textsOf(await letters(['abcdef', 'ab'], { layout: 'documents', positions: 5 }))).to.deep.equal([
      '^abcd',
      '^ab',
    ])
    const bare = await letters(['abcdef', 'ab'], { layout: 'documents', positions: 5, prependBos: false })
    expect(await textsOf(bare)).to.deep.equal(['abcde', 'ab'])
  })

  for (const layout of ['packed', 'joined', 'chunked', 'documents'] as const) {
    it(`goes on from any batch as if it had not stopped: ${layout}`, async () => {
      const texts = randomTexts(5, layout === 'packed' || layout === 'documents' ? 60 : 1100)
      const rows = layout === 'packed' || layout === 'documents' ? 3 : 150
      await expectResumable(await letters(texts, { layout, positions: 7, rows }))
      await expectResumable(await letters(texts, { layout, positions: 7, rows, limit: 5 * rows + 2 }))
    })
  }

  describe('with the Python libraries', () => {
    before(() => pocket())

    const cases: Record<string, DataOptions> = {
      packed: { positions: 64 },
      'packed without BOS and separator': { positions: 50, prependBos: false, between: 'none' },
      'packed with BOS in front alone': { positions: 7, between: 'none' },
      chunked: { layout: 'chunked', positions: 64 },
      'chunked without BOS': { layout: 'chunked', positions: 33, prependBos: false },
    }
    for (const [name, options] of Object.entries(cases)) {
      it(`makes the same rows of the embedded text: ${name}`, async () => {
        const recorded = JSON.parse(
          await readFile(new URL('../../reference/data/rows.json', import.meta.url), 'utf8'),
        ) as Record<string, { rows: number; first: number[]; sha256: string }>
        const rows = await rowsOf(await loadData(await pocket(), pocketText('test'), { ...options, rows: 100 }))
        const bytes = new Uint8Array(Int32Array.from(rows.flat()).buffer)
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        expect({ rows: rows.length, first: rows[0], sha256 }).to.deep.equal(recorded[name])
      })
    }
  })
})
