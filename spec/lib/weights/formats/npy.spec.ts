/** Arrays of numpy: every type, order and version; what is damaged, lies or is no array of numbers is refused. */
import { expect } from 'chai'
import { readNpy } from '../../../../lib/weights/formats/npy.js'
import { npy, type NpyText } from '../../../support/npy-files.js'
import { refusalOf } from '../../../support/refusal.js'
import { bytes, floats, le } from '../../../support/torch-files.js'
import { MemoryFile } from '../../../support/weight-files.js'

const read = async (content: Uint8Array) => {
  const { shape, values } = await readNpy(new MemoryFile(content))
  return { shape, values: [...values] }
}
const six = floats(0, 1, 2, 3, 4, 5)
const sound: NpyText = { shape: [2, 3], data: six }

describe('lib/weights/formats/npy', () => {
  const types: [string, Uint8Array, number[]][] = [
    ['<f8', new Uint8Array(Float64Array.of(1.5, -2).buffer), [1.5, -2]],
    ['<f4', floats(1.5, -2), [1.5, -2]],
    ['<f2', bytes(le(0x3e00, 2), le(0xc000, 2)), [1.5, -2]],
    ['<i8', bytes(le(-3n & (2n ** 64n - 1n), 8), le(7, 8)), [-3, 7]],
    ['<i4', bytes(le(0xfffffffd, 4), le(7, 4)), [-3, 7]],
    ['<i2', bytes(le(0xfffd, 2), le(7, 2)), [-3, 7]],
    ['|i1', bytes([0xfd, 7]), [-3, 7]],
    ['|u1', bytes([0xfd, 7]), [253, 7]],
    ['|b1', bytes([1, 0]), [1, 0]],
  ]
  for (const [descr, data, values] of types) {
    it(`reads ${descr}`, async () => {
      expect(await read(npy({ descr, shape: [2], data }))).to.deep.equal({ shape: [2], values })
    })
  }

  it('reads versions 1 to 3', async () => {
    for (const version of [1, 2, 3]) {
      expect(await read(npy({ ...sound, version }))).to.deep.equal({ shape: [2, 3], values: [0, 1, 2, 3, 4, 5] })
    }
    expect(await refusalOf(() => read(npy({ ...sound, version: 4 })))).to.match(/version 4 .*Versions 1 to 3 are read/)
  })

  it('reads arrays whose first axis is the fastest', async () => {
    expect((await read(npy({ ...sound, fortran: true }))).values).to.deep.equal([0, 2, 4, 1, 3, 5])
    const data = floats(...Array.from({ length: 24 }, (_, i) => i))
    const { shape, values } = await read(npy({ shape: [2, 3, 4], fortran: true, data }))
    expect(shape).to.deep.equal([2, 3, 4])
    // element (i, j, k) lies at i + 2 j + 6 k
    expect(values).to.deep.equal(
      [0, 1].flatMap((i) => [0, 1, 2].flatMap((j) => [0, 1, 2, 3].map((k) => i + 2 * j + 6 * k))),
    )
  })

  it('reads a single number, an empty array, and a header in another order', async () => {
    expect(await read(npy({ shape: [], data: floats(7) }))).to.deep.equal({ shape: [], values: [7] })
    expect(await read(npy({ shape: [0, 5], data: bytes() }))).to.deep.equal({ shape: [0, 5], values: [] })
    const header = '{"shape":(2L,3L),"fortran_order":False,"descr":"<f4"}'
    expect((await read(npy({ ...sound, header }))).shape).to.deep.equal([2, 3])
  })

  it('refuses arrays of objects, which are pickles', async () => {
    const refusal = await refusalOf(() => read(npy({ descr: '|O', shape: [1], data: bytes('cos\nsystem\n') })))
    expect(refusal).to.equal(
      "FileError: read memory.safetensors: numbers of type '|O'. Arrays of objects are pickles, which may run code: they are refused.",
    )
  })

  const header = (text: string): NpyText => ({ ...sound, header: text })
  const bad: [string, NpyText | Uint8Array, RegExp][] = [
    ['other bytes', bytes('PK', [3, 4], 'x'.repeat(100)), /it is no array of numpy/],
    ['nothing', bytes(), /it is no array of numpy/],
    ['a file that ends in its head', npy(sound).slice(0, 9), /it is no array of numpy/],
    ['a file that ends in its header', npy(sound).slice(0, 40), /a header of \d+ bytes in a file of 40/],
    ['a header of megabytes', npy({ ...sound, version: 2, header: ' '.repeat(70_000) }), /At most 65536 are read/],
    ['numbers that are cut', npy({ ...sound, data: six.slice(1) }), /23 bytes of numbers\. '<f4' of .*2,3\] takes 24/],
    ['numbers too many', npy({ ...sound, data: bytes(six, six) }), /48 bytes of numbers/],
    ['a huge shape', { shape: [1e6, 1e6, 1e6], data: six }, /takes 4000000000000000000\./],
    ['a shape beyond numbers', header(`{'descr': '<f4', 'fortran_order': False, 'shape': (${'9'.repeat(16)},)}`), /its header is/], // prettier-ignore
    ['a negative shape', { shape: [-2, -3], data: six }, /its header is .*It must say descr, fortran_order and shape/],
    ['big-endian numbers', { ...sound, descr: '>f4' }, /'>f4'\. Big-endian numbers are not read/],
    ['complex numbers', { ...sound, descr: '<c8' }, /'<c8'\. Known are <f8, <f4/],
    ['a name of every object', { ...sound, descr: 'toString' }, /'toString'\. Known are/],
    ['text', { ...sound, descr: '<U3' }, /'<U3'\. Known are/],
    [
      'records',
      header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"),
      /records of several fields/,
    ],
    ['a missing key', header("{'descr': '<f4', 'shape': (2, 3)}"), /its header is/],
    ['a key too many', header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 'y'}"), /its header is/],
    ['an expression', header("{'descr': '<f4', 'fortran_order': False, 'shape': (2*3,)}"), /its header is/],
    ['a call', header("{'descr': exit(), 'fortran_order': False, 'shape': (2, 3)}"), /its header is/],
    ['no dict', header('[1, 2]'), /its header is '\[1, 2\]'/],
  ]
  for (const [what, file, says] of bad) {
    it(`refuses ${what}`, async () => {
      const content = file instanceof Uint8Array ? file : npy(file)
      expect(await refusalOf(() => read(content))).to.match(/^FileError: read memory/).and.to.match(says) // prettier-ignore
    })
  }

  it('refuses each cut and survives each changed byte of a header', async () => {
    const whole = npy(sound)
    for (let length = 0; length < whole.length; length++) {
      expect(await refusalOf(() => read(whole.slice(0, length))), `${length} bytes`).to.match(/^FileError/)
    }
    for (let at = 0; at < whole.length - six.length; at++) {
      const changed = whole.slice()
      changed[at]! ^= 1
      await read(changed).then(
        ({ values }) => expect(values).to.have.length(6),
        (error: Error) => expect(error.name).to.equal('FileError'),
      )
    }
  })
})
