/** Bytes cut at a separator: wherever the chunks end, packed or not, and stopped early. */
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { FileError } from '../../../lib/errors/errors.js'
import { bytePieces } from '../../../lib/data/byte-pieces.js'
import type { RandomAccessFile } from '../../../lib/weights/source.js'
import { random } from '../../../lib/stats/random.js'

const MiB = 2 ** 20

/** A file whose reads can be made to fail from an offset on; it must be open while it is read. */
function fileOf(bytes: Uint8Array, name: string, failFrom = Infinity) {
  const state = { open: true, reads: 0 }
  const file: RandomAccessFile = {
    name,
    size: bytes.length,
    async read(offset, length) {
      state.reads++
      if (!state.open) throw new FileError('read after close')
      if (offset >= failFrom) throw new FileError(`read ${name}: a bad sector. Try another disk.`)
      return new Uint8Array(bytes.subarray(offset, offset + length))
    },
    async close() {
      state.open = false
    },
  }
  return { file, state }
}

async function pieces(file: RandomAccessFile, separator: string): Promise<string[]> {
  const out: string[] = []
  for await (const piece of bytePieces(file, Buffer.from(separator))) out.push(Buffer.from(piece).toString('latin1'))
  return out
}

/** Bytes that gzip cannot make small, with lines in them. */
function noise(length: number): Buffer {
  const { next } = random(3)
  return Buffer.from(Uint8Array.from({ length }, () => Math.floor(next() * 256)))
}

describe('lib/data/byte-pieces', () => {
  it('cuts as split does, with separators across the ends of chunks', async () => {
    for (const shift of [0, 1, 2, 3, 4, 5]) {
      const text = 'x'.repeat(MiB - shift) + '<-->' + 'y'.repeat(MiB - 4) + '<-->' + '<-<-->' + '<--'
      const { file } = fileOf(Buffer.from(text), 'a.txt')
      expect(await pieces(file, '<-->')).to.deep.equal(text.split('<-->'))
    }
  })

  it('has no empty piece behind a last separator', async () => {
    expect(await pieces(fileOf(Buffer.from('a\n\nb\n'), 'a').file, '\n')).to.deep.equal(['a', '', 'b'])
    expect(await pieces(fileOf(Buffer.from(''), 'a').file, '\n')).to.deep.equal([])
  })

  it('unpacks gzip, chunk by chunk', async () => {
    const bytes = noise(3 * MiB)
    const { file } = fileOf(gzipSync(bytes), 'a.gz')
    const expected = bytes.toString('latin1').split('\n')
    expect((await pieces(file, '\n')).join('\n') + (expected.at(-1) === '' ? '\n' : '')).to.equal(expected.join('\n'))
  })

  it('stops reading a packed file when its reader stops, also when it is closed at once', async () => {
    const { file, state } = fileOf(gzipSync(noise(8 * MiB)), 'a.gz')
    for await (const _ of bytePieces(file, Buffer.from('\n'))) break
    await file.close()
    const { reads } = state
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(state.reads).to.equal(reads)
    expect(reads).to.be.lessThan(8)
  })

  it('passes on that a read failed, packed or not', async () => {
    for (const name of ['a.txt', 'a.gz']) {
      const { file } = fileOf(gzipSync(noise(3 * MiB)), name, 2 * MiB)
      const error = await pieces(file, '\n').catch((cause: unknown) => cause)
      expect(String(error)).to.equal(`FileError: read ${name}: a bad sector. Try another disk.`)
    }
  })
})
