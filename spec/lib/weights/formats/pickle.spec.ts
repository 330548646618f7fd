/** Pickles: plain values come out, everything else is refused, and nothing is run. */
import { expect } from 'chai'
import { FileError } from '../../../../lib/errors/errors.js'
import { PickledName, PickledRecord, pickledText, unpickle } from '../../../../lib/weights/formats/pickle.js'
import { refusalOf } from '../../../support/refusal.js'
import { bytes, call, dict, int, le, MARK, name, pickle, str, tuple } from '../../../support/torch-files.js'
import { seededRandom } from '../../../support/weight-files.js'

const calls: string[] = []
const rules = {
  file: 'a.pt',
  call: (callee: string, args: readonly unknown[]) => {
    calls.push(callee)
    if (callee !== 'known make') throw new FileError(`refused ${callee}.`)
    return { made: args }
  },
  persistent: (id: unknown) => ({ outside: id }),
}

const read = (content: Uint8Array<ArrayBuffer>) => unpickle(content, rules)
const valueOf = (...parts: Parameters<typeof pickle>) => read(pickle(...parts)).value

describe('lib/weights/formats/pickle', () => {
  beforeEach(() => calls.splice(0))

  const values: [string, Uint8Array, unknown][] = [
    ['None', bytes('N'), null],
    ['True', bytes([0x88]), true],
    ['False', bytes([0x89]), false],
    ['a byte', bytes('K', [200]), 200],
    ['two bytes', bytes('M', le(40000, 2)), 40000],
    ['four bytes, signed', bytes('J', le(0xfffffffe, 4)), -2],
    ['a long', int(-5), -5],
    ['a long of no bytes', bytes([0x8a, 0]), 0],
    ['a long beyond 2^53', bytes([0x8a, 8], le(2n ** 60n, 8)), 2n ** 60n],
    ['a float, big-endian', bytes('G', [0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), 1.5],
    ['text', str('naïve'), 'naïve'],
    ['short text', bytes([0x8c, 2], 'ab'), 'ab'],
    ['long text', bytes([0x8d], le(2, 8), 'ab'), 'ab'],
    ['text of Python 2', bytes('U', [2], 'ab'), 'ab'],
    ['bytes', bytes('C', [2], [7, 8]), Uint8Array.of(7, 8)],
    ['a list', bytes(']', MARK, int(1), int(2), 'e', int(3), 'a'), [1, 2, 3]],
    ['tuples', bytes(tuple(int(1)), int(2), [0x86], int(3), [0x85], int(4), int(5), [0x87]), [[3], 4, 5]],
    ['a dict', dict({ a: int(1), b: str('x') }), new Map<string, unknown>([['a', 1], ['b', 'x']])], // prettier-ignore
    ['a memo', bytes(str('x'), 'q', [3], 'h', [3], [0x86]), ['x', 'x']],
    ['a name', name('posix', 'system'), new PickledName('posix system')],
    ['a name from the stack', bytes(str('a'), str('b'), [0x93]), new PickledName('a b')],
    ['a known call', call(name('known', 'make'), int(7)), { made: [7] }],
    ['something outside', bytes(str('id'), 'Q'), { outside: 'id' }],
    ['a frame, and what it holds', bytes([0x95], le(2, 8), int(1)), 1],
  ]
  for (const [what, content, expected] of values) {
    it(`reads ${what}`, () => expect(valueOf(content)).to.deep.equal(expected))
  }

  it('says how long it is, so that another can follow', () => {
    expect(read(bytes(pickle(int(1)), pickle(int(2)))).length).to.equal(pickle(int(1)).length)
  })

  it('makes a record of an object whose class it does not know, and calls nothing', () => {
    const record = valueOf(name('evil.module', 'Config'), ')', [0x81], dict({ d_in: int(48) }), 'b') as PickledRecord
    expect(record).to.be.instanceOf(PickledRecord)
    expect([record.className, [...record.fields]]).to.deep.equal(['evil.module Config', [['d_in', 48]]])
    expect(calls).to.deep.equal([])
  })

  it('leaves attributes of a dict out', () => {
    expect(valueOf(dict({ a: int(1) }), dict({ _metadata: int(2) }), 'b')).to.deep.equal(new Map([['a', 1]]))
  })

  it('hands every call to its rules, which refuse it', async () => {
    expect(await refusalOf(() => valueOf(call(name('os', 'system'), str('x'))))).to.equal(
      'FileError: refused os system.',
    )
    expect(calls).to.deep.equal(['os system'])
  })

  const broken: [string, Uint8Array, RegExp][] = [
    ['an opcode that instantiates', bytes(MARK, 'ios\nsystem\n'), /opcode 0x69 at byte 3\. Only those of plain data/],
    ['an opcode that calls an object', bytes(MARK, name('os', 'system'), 'o'), /opcode 0x6f at byte/],
    ['an extension code', bytes([0x82, 1]), /opcode 0x82 at byte 2/],
    [
      'a new object with arguments',
      bytes(name('a', 'B'), tuple(int(1)), [0x81]),
      /a new object of 'a B' with arguments/,
    ],
    ['a new object with keywords', bytes(name('a', 'B'), ')', '}', [0x92]), /opcode 0x92/],
    ['a call of what is no name', bytes(str('a'), ')R'), /a call of what is no name/],
    ['a state on a list', bytes(']', '}', 'b'), /a state that is not set on a record or a dict/],
    ['a state that is no dict', bytes('}', int(1), 'b'), /a state that is not set/],
    ['an append to a tuple', bytes(')', int(1), 'a'), /an append to what is no list/],
    ['an entry of a list', bytes(']', int(1), int(2), 's'), /an entry for what is no dict/],
    ['a dict key that is a dict', bytes('}', '}', int(2), 's'), /a dict key that is no text or number/],
    ['an odd number of items', bytes('}', MARK, int(1), 'u'), /an entry for what is no dict/],
    ['an empty stack', bytes('0'), /an empty stack/],
    ['a mark as a value', bytes(MARK, 'R'), /an empty stack/],
    ['no mark', bytes(int(1), 't'), /no mark where one is needed/],
    ['no memo', bytes('h', [9]), /no memo 9/],
    ['nothing to remember', bytes('q', [1]), /nothing to remember/],
    ['a text longer than the file', bytes('X', le(0xffffffff, 4), 'ab'), /ends early/],
    ['a text of 2^63 bytes', bytes([0x8d], le(2n ** 63n, 8)), /ends early/],
    ['a text that is not UTF-8', bytes('X', le(1, 4), [0xff]), /not UTF-8/],
    ['a name without an end', bytes('cos'), /a name without an end/],
  ]
  for (const [what, content, words] of broken) {
    it(`refuses ${what}`, async () => {
      const said = await refusalOf(() => valueOf(content))
      expect(said).to.match(/^FileError: read a\.pt: the pickle has /)
      expect(said).to.match(words)
    })
  }

  it('refuses more steps than any checkpoint needs, before they fill the memory', async () => {
    const bomb = pickle(new Uint8Array(2_100_000).fill('}'.charCodeAt(0)))
    expect(await refusalOf(() => read(bomb))).to.match(/more than 2000000 opcodes/)
  })

  it('shows a value that contains itself 2^60 times over in a few words', () => {
    let nested = bytes(']')
    for (let i = 0; i < 60; i++) nested = bytes(nested, 'q', [1], 'h', [1], [0x86])
    expect(pickledText(valueOf(nested)).length).to.be.lessThan(60)
    const cyclic = valueOf(bytes(']', 'q', [1], 'h', [1], 'a'))
    expect(pickledText(cyclic)).to.equal('[a list of 1]')
  })

  it('ends in a value or a FileError for any damage', () => {
    const random = seededRandom(7)
    const sound = pickle(dict({ a: tuple(int(1), str('x')), b: call(name('known', 'make'), int(2)) }), 'q', [0])
    let refused = 0
    for (let round = 0; round < 4000; round++) {
      const damaged = sound.slice(0, random() < 0.3 ? Math.floor(random() * sound.length) : sound.length)
      for (let n = 0; n < 3; n++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256)
      try {
        read(damaged)
      } catch (error) {
        if (!(error instanceof FileError)) throw error
        refused++
      }
    }
    expect(refused).to.be.within(2000, 3999)
    expect(new Set(calls).has('os system')).to.equal(false)
  })
})
