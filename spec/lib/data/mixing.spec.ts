/** Batches out of chunks: in order, mixed as SAELens's buffer, resumed anywhere, in bounded memory. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import type { ActivationBatch } from '../../../lib/data/activation-data.js'
import { batchPlan, mixedBatches } from '../../../lib/data/mixing.js'
import { RowBuffer, type Chunks } from '../../../lib/data/row-buffer.js'
import type { DataPosition } from '../../../lib/data/token-data.js'
import { random } from '../../../lib/stats/random.js'
import { refusalOf } from '../../support/refusal.js'

/** Rows [i, i + ½] in chunks of these lengths; `reads` counts the chunks that were asked for. */
function chunksOf(lengths: readonly number[], reads: { count: number } = { count: 0 }): Chunks {
  return async function* (from) {
    for (let number = Number(from?.['chunk'] ?? 0); number < lengths.length; number++) {
      reads.count++
      const first = lengths.slice(0, number).reduce((sum, n) => sum + n, 0)
      const values = Float32Array.from({ length: 2 * lengths[number]! }, (_, i) => first + i / 2)
      yield { values, at: { chunk: number }, next: { chunk: number + 1 } }
    }
  }
}

interface Read {
  /** First number of each row. */
  readonly rows: number[]
  readonly next: DataPosition
}

async function take(batches: AsyncIterable<ActivationBatch>): Promise<Read[]> {
  const out: Read[] = []
  for await (const { rows, next } of batches) {
    const values = rows.arraySync()
    for (const [a, b] of values) expect(b).to.equal(a! + 0.5)
    out.push({ rows: values.map(([a]) => a!), next })
    rows.dispose()
  }
  return out
}

/** SAELens's rule (mixing_buffer) with our permutations, and the rest shuffled and given out too. */
function plainMix(lengths: readonly number[], rows: number, bufferRows: number, seed: number): number[][] {
  const seeds = random(seed)
  let store: number[] = []
  const out: number[][] = []
  const mix = () => {
    const generator = random(seeds.integer(2 ** 32))
    for (let i = store.length - 1; i > 0; i--) {
      const j = generator.integer(i + 1)
      ;[store[i], store[j]] = [store[j]!, store[i]!]
    }
  }
  let first = 0
  for (const length of lengths) {
    store = [...store, ...Array.from({ length }, (_, i) => first + i)]
    first += length
    if (store.length < bufferRows) continue
    mix()
    const batches = Math.max(1, Math.floor(store.length / (2 * rows)))
    for (let i = 0; i < batches; i++) out.push(store.splice(0, rows))
  }
  mix()
  while (store.length > 0) out.push(store.splice(0, rows))
  return out
}

const lengths = [7, 0, 12, 5, 9, 1, 30, 8, 8, 8, 11, 2]
const total = lengths.reduce((sum, n) => sum + n, 0)

describe('lib/data/mixing', () => {
  it('gives the rows in order without a shuffle, the last batch shorter', async () => {
    const batches = await take(mixedBatches({ chunks: chunksOf(lengths), width: 2 }, { rows: 10 }))
    expect(batches.flatMap((batch) => batch.rows)).to.deep.equal(Array.from({ length: total }, (_, i) => i))
    expect(batches.map((batch) => batch.rows.length)).to.deep.equal([...Array<number>(10).fill(10), 1])
  })

  for (const [rows, bufferRows] of [
    [4, 16],
    [4, 4],
    [10, 40],
    [3, 1000],
  ] as const) {
    it(`mixes batches of ${rows} in a buffer of ${bufferRows} by the rule, every row once`, async () => {
      const plan = { rows, mixing: { seed: 5, bufferRows } }
      const batches = (await take(mixedBatches({ chunks: chunksOf(lengths), width: 2 }, plan))).map(
        (batch) => batch.rows,
      )
      expect(batches).to.deep.equal(plainMix(lengths, rows, bufferRows, 5))
      expect(batches.flat().sort((a, b) => a - b)).to.deep.equal(Array.from({ length: total }, (_, i) => i))
      const other = await take(
        mixedBatches({ chunks: chunksOf(lengths), width: 2 }, { rows, mixing: { seed: 6, bufferRows } }),
      )
      expect(other.map((batch) => batch.rows)).to.not.deep.equal(batches)
    })
  }

  for (const mixing of [undefined, { seed: 5, bufferRows: 20 }]) {
    it(`goes on from any batch, reading again only what was held: ${mixing ? 'mixed' : 'in order'}`, async () => {
      const plan = { rows: 6, ...(mixing && { mixing }) }
      const whole = await take(mixedBatches({ chunks: chunksOf(lengths), width: 2 }, plan))
      for (const [i, { next }] of whole.entries()) {
        const reads = { count: 0 }
        const from = JSON.parse(JSON.stringify(next)) as DataPosition
        const rest = await take(mixedBatches({ chunks: chunksOf(lengths, reads), width: 2 }, plan, from))
        expect(rest, `behind batch ${i}`).to.deep.equal(whole.slice(i + 1))
        const { held, source } = from as { held: { chunks: unknown[] }; source: { chunk: number } }
        expect(reads.count).to.equal(held.chunks.length + (from['ended'] === true ? 0 : lengths.length - source.chunk))
      }
    })
  }

  it('holds no more than the buffer and one chunk', async () => {
    const sizes: number[] = []
    const add = RowBuffer.prototype.add
    RowBuffer.prototype.add = function (chunk) {
      add.call(this, chunk)
      sizes.push(this.size)
    }
    try {
      const many = Array<number>(200).fill(9)
      await take(mixedBatches({ chunks: chunksOf(many), width: 2 }, { rows: 4, mixing: { seed: 1, bufferRows: 40 } }))
      expect(Math.max(...sizes)).to.be.within(40, 48)
      sizes.length = 0
      await take(mixedBatches({ chunks: chunksOf(many), width: 2 }, { rows: 4 }))
      expect(Math.max(...sizes)).to.be.within(9, 12)
    } finally {
      RowBuffer.prototype.add = add
    }
  })

  it('leaves no tensor when the reader stops early', async () => {
    const before = tf.memory().numTensors
    for await (const { rows } of mixedBatches({ chunks: chunksOf(lengths), width: 2 }, { rows: 4 })) {
      rows.dispose()
      break
    }
    expect(tf.memory().numTensors).to.equal(before)
  })

  it('refuses numbers that cannot be taken, a place of something else, and no rows at all', async () => {
    expect(await refusalOf(() => batchPlan('x', { rows: 0 }))).to.equal(
      'ArgumentError: x: rows is 0. It must be a whole number from 1 up.',
    )
    expect(await refusalOf(() => batchPlan('x', { rows: 8, shuffle: { seed: 1, bufferRows: 7 } }))).to.equal(
      'ArgumentError: x: shuffle.bufferRows is 7. It must be a whole number of at least a batch, 8.',
    )
    expect(
      await refusalOf(() => take(mixedBatches({ chunks: chunksOf([3]), width: 2 }, { rows: 2 }, { row: 1 }))),
    ).to.equal(
      "ArgumentError: batches: this is no place in these activations. Give the 'next' of one of their batches.",
    )
    expect(await refusalOf(() => take(mixedBatches({ chunks: chunksOf([0, 0]), width: 2 }, { rows: 2 })))).to.equal(
      'FileError: batches: there is not a single activation. Leave out fewer tokens, or give more data.',
    )
  })
})
