/** Archives of numpy's arrays, stored and deflated, and damaged ones. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { NpzFile } from '../../../../lib/weights/formats/npz.js'
import { npy, npz } from '../../../support/npy-files.js'
import { refusalOf } from '../../../support/refusal.js'
import { bytes, floats, zip } from '../../../support/torch-files.js'
import { MemoryFile } from '../../../support/weight-files.js'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const recorded = `${root}/spec/reference/saes/gemma_scope/layer_1/width_tiny/average_l0_8`
const open = (content: Uint8Array) => NpzFile.open(new MemoryFile(content))
const a = npy({ shape: [2, 2], data: floats(1, 2, 3, 4) })
const b = npy({ shape: [3], data: floats(5, 6, 7) })

describe('lib/weights/formats/npz', () => {
  it('reads what numpy wrote, stored and deflated alike', async () => {
    const [stored, deflated] = [
      await open(await readFile(`${recorded}/params.npz`)),
      await open(await readFile(`${recorded}/params_compressed.npz`)),
    ]
    expect(stored.names).to.deep.equal(['W_enc', 'W_dec', 'b_enc', 'b_dec', 'threshold'])
    for (const name of stored.names) {
      const read = await stored.read(name)
      expect(read.values.some((x) => x !== 0)).to.equal(true)
      expect(await deflated.read(name)).to.deep.equal(read)
    }
    expect((await stored.read('W_enc')).shape).to.deep.equal([48, 96])
  })

  it('reads the float16 arrays of the embedded release', async () => {
    const file = await open(await readFile(`${root}/saes/pocket/pocket-scope/layer_2/width_768/canonical/params.npz`))
    expect((await file.read('W_enc')).shape).to.deep.equal([128, 768])
    const { values } = await file.read('threshold')
    expect(values).to.have.length(768)
    expect(Math.min(...values)).to.be.greaterThan(0)
  })

  it('reads both kinds of members from one by one', async () => {
    for (const deflate of [false, true]) {
      const file = await open(npz({ a, b }, { deflate }))
      expect(file.names).to.deep.equal(['a', 'b'])
      expect([...(await file.read('b')).values]).to.deep.equal([5, 6, 7])
      expect((await file.read('a')).shape).to.deep.equal([2, 2])
      expect(await refusalOf(() => file.read('W_enc'))).to.match(/^FileError: .*no array 'W_enc'\. It holds a, b\./)
    }
  })

  it('refuses what is no archive of arrays, closing it', async () => {
    const bad: [Uint8Array, RegExp][] = [
      [bytes('no zip'), /no zip directory/],
      [npz({ a }).slice(0, -30), /no zip directory/],
      [zip({ 'a.npy': a, 'run.py': bytes('import os') }), /it holds run\.py\. An \.npz file holds \.npy files only/],
    ]
    for (const [content, says] of bad) {
      const file = new MemoryFile(content)
      expect(await refusalOf(() => NpzFile.open(file))).to.match(/^FileError: open /).and.to.match(says) // prettier-ignore
      expect(file.closed).to.equal(1)
    }
  })

  it('refuses an array that lies about its size, and one that would unpack to gigabytes', async () => {
    const lying = await open(zip({ 'a.npy': { content: a, deflate: true, says: { size: a.length + 1 } } }))
    expect(await refusalOf(() => lying.read('a'))).to.match(/^FileError: .*it unpacks to \d+ bytes/)
    // Deflate can pack this much into that little
    const content = new Uint8Array(4_400_000)
    const size = Math.floor(4.2 * 2 ** 30)
    const bomb = await open(zip({ 'a.npy': { content, wide: true, says: { method: 8, size } } }))
    expect(await refusalOf(() => bomb.read('a'))).to.match(/'a' unpacks to \d+ bytes\. At most 4294967296 are unpacked/)
  })
})
