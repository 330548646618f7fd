/** Safetensors files: values against a plain decoder and the record, round trips, and every way a file can lie. */
import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { ArgumentError, ShapeError } from '../../../../lib/errors/errors.js'
import { encodeSafetensors, SafetensorsFile, type HostTensor } from '../../../../lib/weights/formats/safetensors.js'
import { decodePlainly, fileErrorOf, MemoryFile, rawSafetensors } from '../../../support/weight-files.js'

const models = new URL('../../../reference/models/', import.meta.url)
const recorded = (name: string): Promise<Uint8Array> => readFile(new URL(name, models))

async function readAll(bytes: Uint8Array): Promise<Map<string, HostTensor>> {
  const file = await SafetensorsFile.open(new MemoryFile(bytes))
  const tensors = new Map<string, HostTensor>()
  for (const name of file.infos.keys()) tensors.set(name, await file.read(name))
  return tensors
}

const refusal = async (bytes: Uint8Array): Promise<string> =>
  (await fileErrorOf(() => SafetensorsFile.open(new MemoryFile(bytes)))).message

/** One F32 tensor 'w' of 3 values with some fields changed, over 12 bytes of data. */
const entry = (changes: object): object => ({ w: { dtype: 'F32', shape: [3], data_offsets: [0, 12], ...changes } })

describe('lib/weights/formats/safetensors: values', () => {
  const files = [
    'gpt2/model',
    'gpt2_sharded/model-00001-of-00002',
    'gpt2_sharded/model-00002-of-00002',
    'gpt_neox/model',
  ]
  for (const file of files) {
    it(`reads ${file} as a plain decoder does, bit for bit`, async () => {
      const bytes = await recorded(`${file}.safetensors`)
      const ours = await readAll(bytes)
      const plain = decodePlainly(bytes)
      expect([...ours.keys()]).to.deep.equal([...plain.keys()])
      for (const [name, { shape, values }] of plain) {
        expect(ours.get(name)!.shape, name).to.deep.equal(shape)
        expect(ours.get(name)!.values, name).to.deep.equal(Float32Array.from(values))
      }
    })
  }

  const embeddings: [string, string, string][] = [
    ['gpt2', 'model', 'transformer.wte.weight'],
    ['gpt2_sharded', 'model-00001-of-00002', 'transformer.wte.weight'],
    ['gpt_neox', 'model', 'gpt_neox.embed_in.weight'],
  ]
  for (const [model, file, name] of embeddings) {
    it(`reads the embedding of ${model}: with its row means taken off it is the recorded processed weight`, async () => {
      const ours = (await readAll(await recorded(`${model}/${file}.safetensors`))).get(name)!
      const record = await readAll(await recorded(`${model}/expected.safetensors`))
      const expected = record.get('weights/embed.W_E')!
      const { tensors } = JSON.parse((await recorded(`${model}/expected.json`)).toString()) as {
        tensors: Record<string, { atol: number }>
      }
      expect(ours.shape).to.deep.equal(expected.shape)
      const centred = takeOffRowMeans(ours)
      const worst = Math.max(...centred.map((value, i) => Math.abs(value - expected.values[i]!)))
      expect(worst).to.be.below(tensors['weights/embed.W_E']!.atol)
    })
  }

  it('reads every number type, small and negative and extreme values included', async () => {
    const data: [string, ArrayBufferView<ArrayBuffer>, number[]][] = [
      ['F64', Float64Array.of(0.1, -0, 1e300), [Math.fround(0.1), -0, Infinity]],
      ['F32', Float32Array.of(-0, NaN, 1e-45), [-0, NaN, Math.fround(1e-45)]],
      ['F16', Uint16Array.of(0x8000, 0x0001, 0xfc00), [-0, 2 ** -24, -Infinity]],
      ['BF16', Uint16Array.of(0x8000, 0x4049, 0x7fc0), [-0, 3.140625, NaN]],
      ['I64', BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n, -1n), [-(2 ** 31), 2 ** 31 - 1, -1]],
      ['U64', BigUint64Array.of(0n, 7n, 2n ** 31n - 1n), [0, 7, 2 ** 31 - 1]],
      ['I32', Int32Array.of(-(2 ** 31), 0, 5), [-(2 ** 31), 0, 5]],
      ['U32', Uint32Array.of(0, 1, 2 ** 31 - 1), [0, 1, 2 ** 31 - 1]],
      ['I16', Int16Array.of(-32768, 0, 32767), [-32768, 0, 32767]],
      ['U16', Uint16Array.of(0, 1, 65535), [0, 1, 65535]],
      ['I8', Int8Array.of(-128, 0, 127), [-128, 0, 127]],
      ['U8', Uint8Array.of(0, 1, 255), [0, 1, 255]],
      ['BOOL', Uint8Array.of(0, 1, 1), [0, 1, 1]],
    ]
    for (const [dtype, array, expected] of data) {
      const bytes = new Uint8Array(array.buffer)
      // 0 to 8 spaces behind the header put the data at every alignment.
      for (let spaces = 0; spaces <= 8; spaces++) {
        const header =
          JSON.stringify({ x: { dtype, shape: [3], data_offsets: [0, bytes.length] } }) + ' '.repeat(spaces)
        const { values } = (await readAll(rawSafetensors(header, bytes))).get('x')!
        expect([...values], dtype).to.deep.equal(expected)
        expect(values, dtype).to.be.instanceOf(/F/.test(dtype) ? Float32Array : Int32Array)
      }
    }
  })

  it('reads unaligned bytes from a source that hands out views', async () => {
    const bytes = rawSafetensors(
      { x: { dtype: 'F16', shape: [2], data_offsets: [0, 4] } },
      Uint8Array.of(0, 60, 0, 188),
    )
    const file = new MemoryFile(bytes)
    const read = file.read.bind(file)
    file.read = async (offset, length) => {
      const shifted = new Uint8Array(length + 1)
      shifted.set(await read(offset, length), 1)
      return shifted.subarray(1)
    }
    expect([...(await (await SafetensorsFile.open(file)).read('x')).values]).to.deep.equal([1, -1])
  })

  it('reads a tensor of several chunks, none of them large, in the right order', async () => {
    const count = 5_000_001
    const halves = Uint16Array.from({ length: count }, (_, i) => i % 0x7c00)
    const bytes = rawSafetensors(
      { x: { dtype: 'F16', shape: [count], data_offsets: [0, 2 * count] } },
      new Uint8Array(halves.buffer),
    )
    const file = new MemoryFile(bytes)
    const asked: number[] = []
    const read = file.read.bind(file)
    file.read = (offset, length) => (asked.push(length), read(offset, length))
    const { values } = await (await SafetensorsFile.open(file)).read('x')
    expect(Math.max(...asked)).to.be.at.most(256 * 2 ** 20)
    expect(asked.length).to.be.greaterThan(3)
    const wrong = values.findIndex((value, i) => value !== plainHalf(i % 0x7c00))
    expect(wrong).to.equal(-1)
  })

  it('reads scalars, empty tensors, an empty file of tensors and odd names', async () => {
    const header = {
      scalar: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
      empty: { dtype: 'I64', shape: [0, 9], data_offsets: [4, 4] },
      __proto: { dtype: 'U8', shape: [1], data_offsets: [4, 5] },
    }
    const text = JSON.stringify(header).replace('__proto"', '__proto__"')
    const tensors = await readAll(rawSafetensors(text, new Uint8Array(Float32Array.of(2.5, 3e-45).buffer, 0, 5)))
    expect([...tensors.keys()]).to.deep.equal(['scalar', 'empty', '__proto__'])
    expect(tensors.get('scalar')).to.deep.equal({ shape: [], values: Float32Array.of(2.5) })
    expect(tensors.get('empty')).to.deep.equal({ shape: [0, 9], values: new Int32Array(0) })
    expect(tensors.get('__proto__')).to.deep.equal({ shape: [1], values: Int32Array.of(2) })
    expect((await readAll(rawSafetensors('{}   '))).size).to.equal(0)
  })
})

describe('lib/weights/formats/safetensors: writing', () => {
  it('comes back the same: values, shapes, order and metadata', async () => {
    const tensors = {
      'h.0.w': { shape: [2, 3], values: Float32Array.of(1, -0, NaN, Infinity, 1e-45, -3.4e38) },
      ids: { shape: [2], values: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) },
      'naïve "名"\n': { shape: [], values: Float32Array.of(7) },
      view: { shape: [1], values: Float32Array.of(1, 2, 3).subarray(1, 2) },
      none: { shape: [0], values: new Int32Array(0) },
    }
    const file = await SafetensorsFile.open(new MemoryFile(encodeSafetensors(tensors, { format: 'pt', note: 'ü' })))
    expect(file.metadata).to.deep.equal({ format: 'pt', note: 'ü' })
    expect([...file.infos.keys()]).to.deep.equal(Object.keys(tensors))
    for (const [name, { shape, values }] of Object.entries(tensors)) {
      expect(await file.read(name), name).to.deep.equal({ shape, values })
    }
    expect(file.infos.get('h.0.w')).to.include({ name: 'h.0.w', dtype: 'F32', byteLength: 24 })
  })

  it('begins the data at a multiple of 8 bytes, whatever the header', () => {
    for (let length = 1; length <= 9; length++) {
      const bytes = encodeSafetensors({ ['n'.repeat(length)]: { shape: [1], values: Float32Array.of(1) } })
      expect((bytes.length - 4) % 8).to.equal(0)
      expect(decodePlainly(bytes).get('n'.repeat(length))!.values).to.deep.equal([1])
    }
  })

  it('refuses a shape that is not its values, and the reserved name', () => {
    const values = Float32Array.of(1, 2, 3)
    expect(() => encodeSafetensors({ w: { shape: [2, 2], values } })).to.throw(
      ShapeError,
      "encodeSafetensors: tensor 'w' of shape [2,2] has 3 values.",
    )
    expect(() => encodeSafetensors({ w: { shape: [-1, -3], values } })).to.throw(ShapeError, 'shape [-1,-3]')
    expect(() => encodeSafetensors({ __metadata__: { shape: [3], values } })).to.throw(ArgumentError, 'reserves')
  })
})

describe('lib/weights/formats/safetensors: refusals', () => {
  const lies: [string, Uint8Array, string][] = [
    ['an empty file', new Uint8Array(0), 'the file has 0 bytes. A safetensors file has at least 8'],
    ['a file of 7 bytes', new Uint8Array(7), 'the file has 7 bytes'],
    ['no header', new Uint8Array(8), 'the header begins with "". A JSON object'],
    [
      'a header beyond the file',
      Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 123, 125),
      'a header of 9 bytes in a file of 10. It is truncated',
    ],
    ['a header of 2^64 - 1', new Uint8Array(16).fill(255), 'a header of 18446744073709551615 bytes. At most 100000000'],
    [
      'a Git LFS pointer',
      new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n'),
      'a Git LFS pointer',
    ],
    ['a header of bad UTF-8', Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 123, 255, 125), 'the header is not UTF-8'],
    ['a list', rawSafetensors('[]'), 'the header begins with "["'],
    ['a byte order mark', rawSafetensors('\ufeff{}'), 'the header begins with "\ufeff"'],
    ['broken JSON', rawSafetensors('{"w": {]}'), 'unexpected "]" at line 1, column 8'],
    ['a tensor twice', rawSafetensors('{"w": 1, "w": 2}'), "key 'w' a second time at line 1, column 10"],
    ['a dtype twice', rawSafetensors('{"w": {"dtype": "F32", "dtype": "F64"}}'), "key 'dtype' a second time"],
    ['an entry that is a number', rawSafetensors({ w: 5 }), "tensor 'w' is 5. An object"],
    ['an entry that is null', rawSafetensors({ w: null }), "tensor 'w' is null"],
    [
      'an unknown dtype',
      rawSafetensors(entry({ dtype: 'F99' }), 12),
      "tensor 'w' has dtype F99. Known are F64, F32, F16",
    ],
    ['a dtype of Object', rawSafetensors(entry({ dtype: 'toString' }), 12), "tensor 'w' has dtype toString"],
    ['no dtype', rawSafetensors({ w: { shape: [3], data_offsets: [0, 12] } }, 12), "tensor 'w' has dtype missing"],
    [
      'a negative size',
      rawSafetensors(entry({ shape: [-3] }), 12),
      "tensor 'w' has shape [-3]. A list of whole numbers",
    ],
    ['a broken size', rawSafetensors(entry({ shape: [1.5, 2] }), 12), "tensor 'w' has shape [1.5,2]"],
    ['a size as text', rawSafetensors(entry({ shape: ['3'] }), 12), 'tensor \'w\' has shape ["3"]'],
    ['a size beyond 2^53', rawSafetensors(entry({ shape: [2 ** 53] }), 12), "tensor 'w' has shape [9007199254740992]"],
    ['a shape that is a number', rawSafetensors(entry({ shape: 3 }), 12), "tensor 'w' has shape 3"],
    [
      'a product beyond 2^53',
      rawSafetensors(entry({ shape: [2 ** 30, 2 ** 30] }), 12),
      "tensor 'w' has 12 bytes. F32 of shape [1073741824,1073741824] takes over 2^53",
    ],
    [
      'a product that overflows to 0',
      rawSafetensors(entry({ shape: [2 ** 40, 2 ** 40, 0], data_offsets: [0, 0] })),
      'takes over 2^53',
    ],
    [
      'a huge shape over little data',
      rawSafetensors(entry({ shape: [1000000, 1000] }), 12),
      "tensor 'w' has 12 bytes. F32 of shape [1000000,1000] takes 4000000000",
    ],
    [
      'huge offsets over little data',
      rawSafetensors(entry({ shape: [1e9], data_offsets: [0, 4e9] }), 12),
      "tensor 'w' ends at byte 4000000000. The file holds 12 bytes of data: it is truncated",
    ],
    ['one byte too few', rawSafetensors(entry({}), 11), "tensor 'w' ends at byte 12. The file holds 11 bytes"],
    ['one byte too many', rawSafetensors(entry({}), 13), "1 bytes behind 'w'. The file should end at byte"],
    ['data without tensors', rawSafetensors('{}', 4), '4 bytes behind the header'],
    [
      'offsets the wrong way',
      rawSafetensors(entry({ data_offsets: [12, 0] }), 12),
      "tensor 'w' has data_offsets [12,0]",
    ],
    [
      'three offsets',
      rawSafetensors(entry({ data_offsets: [0, 12, 12] }), 12),
      'has data_offsets [0,12,12]. Two whole numbers',
    ],
    ['a negative offset', rawSafetensors(entry({ data_offsets: [-4, 8] }), 12), 'has data_offsets [-4,8]'],
    ['a broken offset', rawSafetensors(entry({ data_offsets: [0.5, 12.5] }), 12), 'has data_offsets [0.5,12.5]'],
    ['no offsets', rawSafetensors(entry({ data_offsets: undefined }), 12), 'has data_offsets missing'],
    ['metadata that is text', rawSafetensors({ __metadata__: 'pt' }), '__metadata__ is pt. An object of strings'],
    [
      'metadata with a number',
      rawSafetensors({ __metadata__: { step: 5 } }),
      "__metadata__ entry 'step' is 5. A string",
    ],
  ]
  for (const [what, bytes, words] of lies) {
    it(`refuses ${what}`, async () => {
      const message = await refusal(bytes)
      expect(message).to.match(/^open memory\.safetensors: /)
      expect(message).to.contain(words)
    })
  }

  const two = (a: [number, number], b: [number, number], size: number): Uint8Array =>
    rawSafetensors(
      {
        a: { dtype: 'U8', shape: [a[1] - a[0]], data_offsets: a },
        b: { dtype: 'U8', shape: [b[1] - b[0]], data_offsets: b },
      },
      size,
    )

  it('refuses overlaps and holes, and says where', async () => {
    expect(await refusal(two([0, 8], [4, 12], 12))).to.contain("tensor 'b' overlaps 'a' (it begins at byte 4, not 8)")
    expect(await refusal(two([0, 8], [0, 8], 8))).to.contain("tensor 'b' overlaps 'a' (it begins at byte 0, not 8)")
    expect(await refusal(two([8, 12], [0, 7], 12))).to.contain(
      "tensor 'a' leaves a hole after 'b' (it begins at byte 8, not 7)",
    )
    expect(await refusal(two([1, 8], [8, 9], 9))).to.contain("tensor 'a' leaves a hole after the header")
    expect(await refusal(two([0, 8], [4, 4], 8))).to.contain("tensor 'b' overlaps 'a'")
    expect((await readAll(two([0, 4], [4, 4], 4))).size).to.equal(2)
    expect((await readAll(two([0, 4], [0, 0], 4))).size).to.equal(2)
  })

  it('closes a file that it refuses, and keeps a sound one open until it is closed', async () => {
    const bad = new MemoryFile(new Uint8Array(3))
    await fileErrorOf(() => SafetensorsFile.open(bad))
    expect(bad.closed).to.equal(1)
    const good = new MemoryFile(rawSafetensors('{}'))
    const opened = await SafetensorsFile.open(good)
    expect(good.closed).to.equal(0)
    await opened.close()
    expect(good.closed).to.equal(1)
  })

  it('refuses integers that 32 bits cannot hold, and bools that are neither 0 nor 1', async () => {
    const misfits: [string, ArrayBufferView<ArrayBuffer>, string][] = [
      ['I64', BigInt64Array.of(1n, 2n ** 31n), 'entry 1 of I64 tensor'],
      ['I64', BigInt64Array.of(-(2n ** 31n) - 1n, 1n), 'entry 0 of I64 tensor'],
      ['I64', BigInt64Array.of(2n ** 32n, 1n), 'entry 0 of I64 tensor'],
      ['U64', BigUint64Array.of(2n ** 64n - 1n, 1n), 'entry 0 of U64 tensor'],
      ['U32', Uint32Array.of(3, 2 ** 31), 'entry 1 of U32 tensor'],
      ['BOOL', Uint8Array.of(1, 2), 'entry 1 of BOOL tensor'],
    ]
    for (const [dtype, array, words] of misfits) {
      const bytes = new Uint8Array(array.buffer)
      const file = rawSafetensors({ ids: { dtype, shape: [2], data_offsets: [0, bytes.length] } }, bytes)
      const { message } = await fileErrorOf(() => readAll(file))
      expect(message).to.contain(`read memory.safetensors: ${words} 'ids' is out of range.`)
    }
  })

  it('names the nearest tensor when one is missing', async () => {
    const file = await SafetensorsFile.open(new MemoryFile(rawSafetensors(entry({}), 12)))
    const { message } = await fileErrorOf(() => file.read('W'))
    expect(message).to.equal("read memory.safetensors: no tensor 'W' (it holds 1). Did you mean 'w'?")
  })

  it('keeps messages short when a name is not', async () => {
    expect((await refusal(rawSafetensors({ ['n'.repeat(1e6)]: 5 }))).length).to.be.below(400)
  })
})

function takeOffRowMeans({ shape, values }: HostTensor): number[] {
  const width = shape[1]!
  return Array.from({ length: shape[0]! }, (_, row) => {
    const numbers = [...values.subarray(row * width, (row + 1) * width)]
    const mean = numbers.reduce((sum, value) => sum + value, 0) / width
    return numbers.map((value) => value - mean)
  }).flat()
}

/** Finite, positive f16 by its definition. */
function plainHalf(bits: number): number {
  const exponent = bits >> 10
  return exponent === 0 ? (bits & 1023) * 2 ** -24 : (1024 + (bits & 1023)) * 2 ** (exponent - 25)
}
