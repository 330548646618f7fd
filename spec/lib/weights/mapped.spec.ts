/** Tensors of a mapped file: those that are read, wherever they lie, and theirs alone. */
import { appendFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'
import { isNativeCpu } from '../../../lib/backend/native/ops.js'
import { SafetensorsFile } from '../../../lib/weights/formats/safetensors.js'
import { folderSource } from '../../../lib/weights/source.js'
import { MemoryFile, fileErrorOf, rawSafetensors, seededRandom, withFolder } from '../../support/weight-files.js'

type Kind = 'F32' | 'F16' | 'BF16' | 'I32' | 'F64'
const SIZE = { F32: 4, F16: 2, BF16: 2, I32: 4, F64: 8 }

/** A file of tensors one behind the other, whose data begin at this multiple of 64 bytes and so many more. */
function fileOf(tensors: Record<string, [Kind, number[]]>, data: Uint8Array, beyond = 0): Uint8Array<ArrayBuffer> {
  let at = 0
  const entries = Object.entries(tensors).map(([name, [dtype, shape]]) => {
    const begin = at
    at += SIZE[dtype] * tf.util.sizeFromShape(shape)
    return [name, { dtype, shape, data_offsets: [begin, at] }]
  })
  const json = JSON.stringify(Object.fromEntries(entries))
  return rawSafetensors(json.padEnd(64 * Math.ceil((json.length + 8) / 64) - 8 + beyond), data.subarray(0, at))
}

async function withFile(
  bytes: Uint8Array,
  body: (file: SafetensorsFile, path: string) => Promise<void>,
): Promise<void> {
  await withFolder({ 'model.safetensors': bytes }, async (folder) => {
    const file = await SafetensorsFile.open(await (await folderSource(folder)).open('model.safetensors'))
    try {
      await body(file, `${folder}/model.safetensors`)
    } finally {
      await file.close()
    }
  })
}

/** The bits of float32 numbers: NaN's are left out, as they need not keep theirs. */
const bits = (values: Float32Array) =>
  [...new Uint32Array(values.buffer, values.byteOffset, values.length)].filter((_, i) => !Number.isNaN(values[i]))

const floats = Float32Array.from({ length: 4096 }, seededRandom(7))
const numbers = new Uint8Array(floats.buffer)

describe('lib/weights/mapped', () => {
  for (const beyond of [0, 4, 8, 16, 32, 40]) {
    it(`gives float32 numbers ${beyond} bytes beyond a multiple of 64 as they are read, and keeps its own`, async function () {
      if (!isNativeCpu()) this.skip()
      const bytes = fileOf({ a: ['F32', [16]], b: ['F32', [2, 3, 4]], c: ['F32', [1000]] }, numbers, beyond)
      const zeroed = bytes.slice().fill(0, bytes.length - 4 * (16 + 24 + 1000))
      await withFile(bytes, async (file, path) => {
        for (const name of ['a', 'b', 'c']) {
          const mapped = file.map(name)!
          const { shape, values } = await file.read(name)
          expect([mapped.shape, mapped.dtype]).to.deep.equal([shape, 'float32'])
          expect(mapped.dataSync(), name).to.deep.equal(values)
          await writeFile(path, zeroed, { flag: 'r+' })
          expect(mapped.dataSync(), `${name} later`).to.deep.equal(values)
          await writeFile(path, bytes, { flag: 'r+' })
          mapped.dispose()
        }
      })
    })
  }

  for (const dtype of ['F16', 'BF16'] as const) {
    it(`gives every number that ${dtype} has as float32`, async function () {
      if (!isNativeCpu()) this.skip()
      const all = new Uint8Array(Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer)
      await withFile(fileOf({ w: [dtype, [256, 256]] }, all), async (file) => {
        const mapped = file.map('w')!
        const values = mapped.dataSync<'float32'>()
        const read = (await file.read('w')).values as Float32Array
        expect(mapped.shape).to.deep.equal([256, 256])
        expect(values.map((x) => +Number.isNaN(x))).to.deep.equal(read.map((x) => +Number.isNaN(x)))
        expect(bits(values)).to.deep.equal(bits(read))
        mapped.dispose()
      })
    })
  }

  it('maps a file of any name, through a link too', async function () {
    if (!isNativeCpu()) this.skip()
    const name = 'a folder/мódel λ: 1%.safetensors'
    await withFolder({ [name]: fileOf({ w: ['F32', [5]] }, numbers) }, async (folder) => {
      await symlink(`${folder}/${name}`, `${folder}/link.safetensors`)
      const source = await folderSource(folder)
      for (const one of [name, 'link.safetensors']) {
        const file = await SafetensorsFile.open(await source.open(one))
        const mapped = file.map('w')!
        expect(mapped.dataSync()).to.deep.equal(floats.slice(0, 5))
        mapped.dispose()
        await file.close()
      }
    })
  })

  it('leaves to be read what cannot be mapped: other types, odd places and counts, nothing, files in memory', async () => {
    const odd = { a: ['F16', [3]], b: ['F16', [4]], c: ['I32', [2]], d: ['F64', [2]], none: ['F32', [0, 5]] } as const
    const bytes = fileOf(odd as unknown as Record<string, [Kind, number[]]>, numbers)
    await withFile(bytes, async (file) => {
      for (const name of Object.keys(odd)) expect(file.map(name), name).to.equal(undefined)
    })
    const inMemory = await SafetensorsFile.open(new MemoryFile(fileOf({ w: ['F32', [4]] }, numbers)))
    expect(inMemory.map('w')).to.equal(undefined)
  })

  it('leaves all to be read on another backend', async function () {
    if (isNativeCpu()) this.skip()
    await withFile(fileOf({ w: ['F32', [4]] }, numbers), async (file) => {
      expect(file.map('w')).to.equal(undefined)
    })
  })

  it('refuses a file that is not the one that was opened', async function () {
    if (!isNativeCpu()) this.skip()
    const bytes = fileOf({ w: ['F32', [4]] }, numbers)
    const changes: ((path: string) => Promise<void>)[] = [
      (path) => appendFile(path, 'more'),
      (path) => rm(path),
      async (path) => {
        await writeFile(`${path}.new`, bytes)
        await rename(`${path}.new`, path)
      },
    ]
    for (const change of changes) {
      await withFile(bytes, async (file, path) => {
        await change(path)
        const { message } = await fileErrorOf(() => file.map('w'))
        expect(message).to.equal(`read ${path}: another file lies there now. It changed while open.`)
      })
    }
  })

  it('names the nearest tensor where there is none', () =>
    withFile(fileOf({ weight: ['F32', [4]] }, numbers), async (file) => {
      expect((await fileErrorOf(() => file.map('wieght'))).message).to.contain("Did you mean 'weight'?")
    }))
})
