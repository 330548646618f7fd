/** Hundreds of damaged safetensors files: each is refused with a FileError, or read as a plain decoder reads it. */
import { expect } from 'chai'
import { FileError } from '../../../../lib/errors/errors.js'
import { SafetensorsFile } from '../../../../lib/weights/formats/safetensors.js'
import { decodePlainly, MemoryFile, rawSafetensors, seededRandom } from '../../../support/weight-files.js'

type Random = () => number
const below = (random: Random, n: number): number => Math.floor(random() * n)

function sample(): Uint8Array {
  const data = Uint8Array.from({ length: 58 }, (_, i) => (i * 37 + 11) & 255)
  data.fill(1, 54)
  const header = {
    __metadata__: { format: 'pt' },
    a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
    b: { dtype: 'BF16', shape: [5], data_offsets: [24, 34] },
    c: { dtype: 'F16', shape: [1, 6], data_offsets: [34, 46] },
    d: { dtype: 'I16', shape: [2, 2, 1], data_offsets: [46, 54] },
    e: { dtype: 'BOOL', shape: [4], data_offsets: [54, 58] },
  }
  return rawSafetensors(header, data)
}

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  return Uint8Array.of(...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove))
}

const randomBytes = (random: Random, n: number): Uint8Array => Uint8Array.from({ length: n }, () => below(random, 256))

/** Changes the header's text, and its length field with it, so that the damage reaches the checks behind the first. */
function rewriteHeader(bytes: Uint8Array, change: (text: string) => string): Uint8Array {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + length))
  return rawSafetensors(change(text), bytes.slice(8 + length))
}

const numbers = [
  '0',
  '1',
  '2',
  '3',
  '6',
  '12',
  '24',
  '58',
  '-1',
  '1.5',
  '1e300',
  '9007199254740993',
  '4294967296',
  '"3"',
  'null',
  '[]',
]
const words = [
  'F32',
  'F64',
  'F16',
  'BF16',
  'I64',
  'U64',
  'I32',
  'U32',
  'I16',
  'U16',
  'I8',
  'U8',
  'BOOL',
  'F8_E4M3',
  'a',
  'b',
  'dtype',
  'shape',
  'data_offsets',
  '__metadata__',
  '__proto__',
  '\\ud800',
]

const damages: Record<string, (bytes: Uint8Array, random: Random) => Uint8Array> = {
  flip: (bytes, random) => {
    const at = below(random, bytes.length)
    return splice(bytes, at, 1, Uint8Array.of(bytes[at]! ^ (1 << below(random, 8))))
  },
  overwrite: (bytes, random) => splice(bytes, below(random, bytes.length), 4, randomBytes(random, 4)),
  truncate: (bytes, random) => bytes.slice(0, below(random, bytes.length)),
  extend: (bytes, random) => Uint8Array.of(...bytes, ...randomBytes(random, 1 + below(random, 20))),
  insert: (bytes, random) => splice(bytes, below(random, bytes.length), 0, randomBytes(random, 1 + below(random, 4))),
  remove: (bytes, random) => splice(bytes, below(random, bytes.length), 1 + below(random, 8), new Uint8Array(0)),
  length: (bytes, random) => splice(bytes, below(random, 8), 1, randomBytes(random, 1)),
  number: (bytes, random) =>
    rewriteHeader(bytes, (text) =>
      replaceSome(text, /-?\d+(\.\d+)?/g, random, () => numbers[below(random, numbers.length)]!),
    ),
  word: (bytes, random) =>
    rewriteHeader(bytes, (text) =>
      replaceSome(text, /[A-Za-z_]\w*/g, random, () => words[below(random, words.length)]!),
    ),
  swap: (bytes, random) => rewriteHeader(bytes, (text) => swapEntries(text, random)),
}

/** Replaces one match, or sometimes two. */
function replaceSome(text: string, pattern: RegExp, random: Random, by: () => string): string {
  const matches = [...text.matchAll(pattern)]
  const chosen = new Set([below(random, matches.length), below(random, random() < 0.5 ? 1 : matches.length)])
  let match = 0
  return text.replace(pattern, (found) => (chosen.has(match++) ? by() : found))
}

/** Exchanges a field of two entries: often sound in itself, and wrong in sum. */
function swapEntries(text: string, random: Random): string {
  const header = JSON.parse(text) as Record<string, Record<string, unknown>>
  const [one, other] = [header['abcde'[below(random, 5)]!]!, header['abcde'[below(random, 5)]!]!]
  for (const field of ['dtype', 'shape', 'data_offsets']) {
    if (random() < 0.6) [one[field], other[field]] = [other[field], one[field]]
  }
  return JSON.stringify(header)
}

/** 'refused' or 'read'; fails the spec on any other error, on wrong values and on values from nowhere. */
async function judge(bytes: Uint8Array): Promise<'refused' | 'read'> {
  try {
    const file = await SafetensorsFile.open(new MemoryFile(bytes))
    const plain = decodePlainly(bytes)
    expect([...file.infos.keys()]).to.deep.equal([...plain.keys()])
    for (const [name, expected] of plain) {
      const { shape, values } = await file.read(name)
      expect(shape).to.deep.equal(expected.shape)
      expect([...values]).to.deep.equal(expected.values)
      expect(values.length).to.be.at.most(bytes.length)
    }
    return 'read'
  } catch (error) {
    if (!(error instanceof FileError)) throw error
    expect(error.message.length).to.be.below(500)
    return 'refused'
  }
}

describe('lib/weights/formats/safetensors: damaged files', () => {
  it('reads the sample itself', async () => {
    expect(await judge(sample())).to.equal('read')
  })

  for (const [kind, damage] of Object.entries(damages)) {
    it(`survives 200 files with damage of kind '${kind}'`, async () => {
      const random = seededRandom(kind.length * 1000 + kind.charCodeAt(0))
      let refused = 0
      for (let i = 0; i < 200; i++) if ((await judge(damage(sample(), random))) === 'refused') refused++
      expect(refused).to.be.greaterThan(20)
    })
  }

  it('refuses every truncation', async () => {
    const bytes = sample()
    for (let length = 0; length < bytes.length; length++) {
      expect(await judge(bytes.slice(0, length)), `${length} bytes`).to.equal('refused')
    }
  })
})
