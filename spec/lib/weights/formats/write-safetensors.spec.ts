/** Safetensors files on disk: the bytes of encodeSafetensors, whole or not at all; rows read back alone. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { encodeSafetensors, SafetensorsFile } from '../../../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../../../lib/weights/source.js'
import { writeSafetensors } from '../../../../lib/weights/formats/write-safetensors.js'
import { refusalOf } from '../../../support/refusal.js'

const tensors = {
  x: { shape: [3, 2], values: Float32Array.of(0, 1, 2, 3, 4, 5) },
  // a view into a larger array: only its own part may be written
  ids: { shape: [2], values: new Int32Array([9, 7, -8, 9]).subarray(1, 3) },
}

describe('lib/weights/formats/write-safetensors', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('writes the bytes of encodeSafetensors and nothing beside them', async () => {
    await writeSafetensors(join(folder, 'new', 'a.safetensors'), new Map(Object.entries(tensors)), { made: 'here' })
    const written = await readFile(join(folder, 'new', 'a.safetensors'))
    expect(written.equals(encodeSafetensors(tensors, { made: 'here' }))).to.equal(true)
    expect(await readdir(join(folder, 'new'))).to.deep.equal(['a.safetensors'])
  })

  it('leaves nothing where a shape does not fit', async () => {
    const wrong = new Map([['x', { shape: [2, 2], values: tensors.x.values }]])
    const message = await refusalOf(() => writeSafetensors(join(folder, 'a.safetensors'), wrong))
    expect(message).to.match(/^ShapeError: .*tensor 'x' of shape \[2,2\] has 6 values/)
    expect(await readdir(folder)).to.deep.equal([])
  })

  it('gives back some rows of a tensor', async () => {
    await writeSafetensors(join(folder, 'a.safetensors'), new Map(Object.entries(tensors)))
    const file = await SafetensorsFile.open(await (await folderSource(folder)).open('a.safetensors'))
    const { shape, values } = await file.readRows('x', 1, 3)
    expect([shape, [...values]]).to.deep.equal([
      [2, 2],
      [2, 3, 4, 5],
    ])
    expect([...(await file.readRows('ids', 1, 2)).values]).to.deep.equal([-8])
    expect((await file.readRows('x', 3, 3)).values).to.have.length(0)
    expect(await refusalOf(() => file.readRows('x', 2, 4))).to.match(
      /^FileError: read .*a\.safetensors: rows 2 to 4 of 'x'\. It has 3\.$/,
    )
    await file.close()
  })
})
