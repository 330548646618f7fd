/** The shuffle buffer: the order of Hugging Face's rule, resumed anywhere, and no more than the buffer in memory. */
import { expect } from 'chai'
import { listDocuments, type Document, type Documents } from '../../../lib/data/documents.js'
import { loadData } from '../../../lib/data/load-data.js'
import { placed, type DocumentPlace } from '../../../lib/data/document-shuffle.js'
import { random } from '../../../lib/stats/random.js'
import { refusalOf } from '../../support/refusal.js'
import { expectResumable, lettersModel } from '../../support/token-data.js'

const numbered = (count: number): Document[] => Array.from({ length: count }, (_, i) => String(i))

/** The rule, on a whole list. */
function plainShuffle(items: readonly Document[], seed: number, size: number): Document[] {
  const generator = random(seed)
  const buffer = items.slice(0, size)
  const out: Document[] = []
  for (const item of items.slice(size)) {
    const slot = generator.integer(size)
    out.push(buffer[slot]!)
    buffer[slot] = item
  }
  return [...out, ...generator.shuffle(buffer)]
}

async function take(documents: Documents, seed: number, buffer: number, from: DocumentPlace = { document: 0 }) {
  const out: { document: Document; next: DocumentPlace }[] = []
  for await (const { document, next } of placed(documents, { seed, buffer }, from)) out.push({ document, next })
  return out
}

describe('lib/data/document-shuffle', () => {
  for (const [count, size] of [
    [50, 8],
    [50, 1],
    [8, 8],
    [5, 8],
    [9, 8],
    [40, 39],
  ] as const) {
    it(`orders ${count} documents in a buffer of ${size} by the rule, and goes on from each`, async () => {
      const items = numbered(count)
      const whole = await take(listDocuments(items), 7, size)
      expect(whole.map((one) => one.document)).to.deep.equal(plainShuffle(items, 7, size))
      expect(new Set(whole.map((one) => one.document)).size).to.equal(count)
      for (const [i, { next }] of whole.entries()) {
        const rest = await take(listDocuments(items), 7, size, JSON.parse(JSON.stringify(next)) as DocumentPlace)
        expect(rest, `behind ${i}`).to.deep.equal(whole.slice(i + 1))
      }
    })
  }

  it('holds no more documents than the buffer has room for', async () => {
    let [read, given, most] = [0, 0, 0]
    const counted: Documents = {
      async *read(from) {
        for (const document of numbered(500).slice(from)) {
          read++
          most = Math.max(most, read - given)
          yield document
        }
      },
    }
    for await (const _ of placed(counted, { seed: 1, buffer: 20 }, { document: 0 })) given++
    expect([given, most]).to.deep.equal([500, 21]) // the buffer and the one that is to take a place in it
  })

  it('gives another order for another seed, and mixes over the whole buffer', async () => {
    const order = async (seed: number) =>
      (await take(listDocuments(numbered(400)), seed, 200)).map((one) => Number(one.document))
    const [a, b] = [await order(1), await order(2)]
    expect(a).to.not.deep.equal(b)
    const distance = a.reduce((sum, number, i) => sum + Math.abs(number - i), 0) / a.length
    expect(distance).to.be.greaterThan(50)
  })

  it('shuffles the rows of loadData, resumably', async () => {
    const texts = Array.from({ length: 40 }, (_, i) =>
      'abcdefghijklmnopqrstuvwxyz'.slice(i % 20, (i % 20) + 1 + (i % 7)),
    )
    for (const layout of ['packed', 'documents', 'joined'] as const) {
      const shuffle = { seed: 3, buffer: 9 }
      await expectResumable(await loadData(lettersModel, texts, { positions: 5, rows: 2, layout, shuffle }))
    }
  })

  it('refuses a buffer or a seed that is none, and data that has become shorter', async () => {
    const load = (options: object) => loadData(lettersModel, ['ab', 'cd'], { positions: 2, ...options })
    expect(await refusalOf(() => load({ shuffle: { seed: 1, buffer: 0 } }))).to.equal(
      'ArgumentError: loadData: shuffle.buffer is 0. It must be a whole number from 1 to 2^24.',
    )
    expect(await refusalOf(() => load({ shuffle: { seed: -1 } }))).to.match(/^ArgumentError: random: seed is -1/)
    expect(await refusalOf(() => take(listDocuments(numbered(4)), 1, 3, { document: 6 }))).to.equal(
      'FileError: loadData: the data ends after 4 documents, and 9 were read before. It has changed: start over.',
    )
  })
})
