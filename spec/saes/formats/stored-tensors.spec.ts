/** Tensors of an SAE's files on the backend: mapped or read, the same to the last bit, and finite. */
import { expect } from 'chai'
import { FileError } from '../../../lib/errors/errors.js'
import { encodeSafetensors, SafetensorsFile, type EncodableTensor } from '../../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../../lib/weights/source.js'
import { closedOnFailure, storedIn, take, type StoredTensors } from '../../../saes/formats/stored-tensors.js'
import { refusalOf } from '../../support/refusal.js'
import { seededRandom, withFolder } from '../../support/weight-files.js'

/** The tensors of a file that holds these. */
async function withStored(
  tensors: Record<string, EncodableTensor>,
  body: (stored: StoredTensors) => Promise<void>,
): Promise<void> {
  await withFolder({ 'x.safetensors': encodeSafetensors(tensors) }, async (folder) => {
    const file = await SafetensorsFile.open(await (await folderSource(folder)).open('x.safetensors'))
    try {
      await body(storedIn(file, 'FOLDER/x.safetensors'))
    } finally {
      await file.close()
    }
  })
}

const tensorOf = (...values: number[]) => ({ shape: [values.length], values: Float32Array.from(values) })

describe('stored tensors', () => {
  it('are known by shape, and taken as they are stored, wherever they lie, by either way', async () => {
    const next = seededRandom(11)
    const values = (length: number) => Float32Array.from({ length }, () => next() - 0.5)
    const tensors = {
      b_enc: { shape: [37], values: values(37) },
      W_enc: { shape: [16, 37], values: values(16 * 37) },
      threshold: { shape: [], values: values(1) },
    }
    await withStored(tensors, async (stored) => {
      for (const [name, { shape, values }] of Object.entries(tensors)) {
        const one = stored.get(name)!
        expect(one.shape).to.deep.equal(shape)
        for (const way of [one, { ...one, map: undefined }]) {
          const tensor = await take(way, name)
          expect([tensor.shape, tensor.dtype]).to.deep.equal([shape, 'float32'])
          expect(tensor.dataSync()).to.deep.equal(values)
          tensor.dispose()
        }
      }
    })
  })

  it('of whole numbers become floats', async () => {
    await withStored({ b_dec: { shape: [2], values: Int32Array.of(3, -4) } }, async (stored) => {
      const tensor = await take(stored.get('b_dec')!, 'b_dec')
      expect(tensor.dataSync()).to.deep.equal(Float32Array.of(3, -4))
      tensor.dispose()
    })
  })

  it('are refused where a number is none, naming tensor, place and file', async () => {
    const places = { nan: 'NaN at index 1', infinite: '-Infinity at index 0', both: 'Infinity at index 0' }
    const tensors = { nan: tensorOf(1, NaN), infinite: tensorOf(-Infinity, 2), both: tensorOf(Infinity, -Infinity) }
    await withStored(tensors, async (stored) => {
      for (const [name, said] of Object.entries(places)) {
        const refusal = await refusalOf(() => take(stored.get(name)!, name))
        expect(refusal).to.match(/^FileError: .*Weights must be finite numbers\.$/)
        expect(refusal).to.include(`'${name}' of FOLDER/x.safetensors holds ${said}`)
      }
    })
  })

  it('are taken although their sum is too large for a float', async () => {
    await withStored({ W_dec: tensorOf(3e38, 3e38, -1) }, async (stored) => {
      const tensor = await take(stored.get('W_dec')!, 'W_dec')
      expect(tensor.dataSync()).to.deep.equal(Float32Array.of(3e38, 3e38, -1))
      tensor.dispose()
    })
  })

  it('are in a file that is closed where what follows its opening fails, and only there', async () => {
    let closed = 0
    const file = { close: async () => void closed++ }
    expect(await closedOnFailure(file, async () => 3)).to.equal(3)
    expect(closed).to.equal(0)
    const fails = () => closedOnFailure(file, () => Promise.reject(new FileError('no')))
    expect(await refusalOf(fails)).to.equal('FileError: no')
    expect(closed).to.equal(1)
  })
})
