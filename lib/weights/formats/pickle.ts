/**
 * Reads Python pickles without running anything: a fixed list of opcodes, which build plain values, and calls of only
 * those names that the caller knows. Opcodes: Python's Lib/pickletools.py; those that torch's own safe loader takes.
 */
import { FileError } from '../../errors/errors.js'
import { brief } from '../../errors/brief.js'

/** A name that a pickle refers to, `module name`: never looked up, so harmless until something calls it. */
export class PickledName {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** An object of a class that is not known: its class's name and its fields, nothing that acts. */
export class PickledRecord {
  readonly className: string
  readonly fields = new Map<unknown, unknown>()
  constructor(className: string) {
    this.className = className
  }
}

/**
 * A pickled value as it may stand in a message. Goes one level deep: values may contain one another, and a small pickle
 * can spell out an enormous tree.
 */
export function pickledText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(shallowText).join()}${value.length > 8 ? ',…' : ''}]`
  return shallowText(value)
}

function shallowText(value: unknown): string {
  if (value instanceof PickledName) return brief(value.text)
  if (value instanceof PickledRecord) return `an object of class ${brief(value.className)}`
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (value instanceof Map) return `a dict of ${value.size}`
  return typeof value === 'object' && value !== null ? 'an object' : brief(String(value))
}

/**
 * What pickles hold: null, boolean, number, bigint (an integer beyond 2^53), string, Uint8Array, list (array), tuple
 * (frozen array), dict (Map), PickledName, PickledRecord, and what `call` and `persistent` return.
 */
export interface PickleRules {
  /** For messages: the file's name. */
  readonly file: string
  /** What the call of a name gives. Throws FileError for a name that is not known. */
  call(name: string, args: readonly unknown[]): unknown
  /** What stands for an object that lies outside the pickle. */
  persistent(id: unknown): unknown
}

/** The value of the pickle at the start of `bytes`, and how many bytes it takes. Throws FileError for all else. */
export function unpickle(bytes: Uint8Array<ArrayBuffer>, rules: PickleRules): { value: unknown; length: number } {
  const machine = new Machine(bytes, rules)
  for (let steps = 0; ; steps++) {
    if (steps === MAX_STEPS) throw machine.fault(`more than ${MAX_STEPS} opcodes`, 'A checkpoint needs far fewer')
    const code = machine.u8()
    if (code === STOP) return { value: machine.pop(), length: machine.at }
    const opcode = opcodes.get(code)
    if (!opcode) {
      throw machine.fault(
        `opcode 0x${code.toString(16)} at byte ${machine.at - 1}`,
        'Only those of plain data are read',
      )
    }
    opcode(machine)
  }
}

/** An opcode of one byte can make an object of hundreds. */
const MAX_STEPS = 2_000_000
const MARK = Symbol('mark')
const STOP = 0x2e

class Machine {
  at = 0
  readonly stack: unknown[] = []
  readonly memo = new Map<number, unknown>()
  readonly rules: PickleRules
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #view: DataView

  constructor(bytes: Uint8Array<ArrayBuffer>, rules: PickleRules) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.rules = rules
  }

  fault(what: string, right: string, cause?: unknown): FileError {
    return new FileError(`read ${this.rules.file}: the pickle has ${what}. ${right}.`, { cause })
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > this.#bytes.length - this.at) throw this.fault(`${this.#bytes.length} bytes and ends early`, CUT)
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }
  /** Offset of the next `length` bytes, which are taken. */
  #skip(length: number): number {
    this.take(length)
    return this.at - length
  }
  u8(): number {
    return this.#view.getUint8(this.#skip(1))
  }
  u16(): number {
    return this.#view.getUint16(this.#skip(2), true)
  }
  i32(): number {
    return this.#view.getInt32(this.#skip(4), true)
  }
  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }
  u64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true))
  }
  f64(): number {
    return this.#view.getFloat64(this.#skip(8), false)
  }

  /** Two's complement of any length; a number where it is exact. */
  long(length: number): number | bigint {
    let value = 0n
    for (const byte of this.take(length).slice().reverse()) value = (value << 8n) | BigInt(byte)
    const signed = BigInt.asIntN(8 * length, value)
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed
  }
  text(length: number, encoding = 'utf-8'): string {
    const bytes = this.take(length)
    try {
      return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch (error) {
      throw this.fault('a text that is not UTF-8', CUT, error)
    }
  }
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at)
    if (end < 0) throw this.fault('a name without an end', CUT)
    const line = this.text(end - this.at)
    this.at = end + 1
    return line
  }

  push(value: unknown): void {
    this.stack.push(value)
  }
  pop(): unknown {
    if (this.stack.length === 0 || this.stack.at(-1) === MARK) throw this.fault('an empty stack', CUT)
    return this.stack.pop()
  }
  /** What lies above the last mark; the mark goes too. */
  popToMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK)
    if (mark < 0) throw this.fault('no mark where one is needed', CUT)
    const items = this.stack.splice(mark)
    return items.slice(1)
  }
  pops(count: number): unknown[] {
    return Array.from({ length: count }, () => this.pop()).reverse()
  }
  remember(index: number): void {
    if (this.stack.length === 0) throw this.fault('nothing to remember', CUT)
    this.memo.set(index, this.stack.at(-1))
  }
  recall(index: number): void {
    if (!this.memo.has(index)) throw this.fault(`no memo ${index}`, CUT)
    this.push(this.memo.get(index))
  }
}

const CUT = 'It is damaged'

const opcodes: ReadonlyMap<number, (m: Machine) => void> = new Map<number, (m: Machine) => void>([
  [0x80, (m) => void m.u8()], // PROTO
  [0x95, (m) => void m.u64()], // FRAME
  [0x28, (m) => m.push(MARK)], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.i32())], // BININT
  [0x4b, (m) => m.push(m.u8())], // BININT1
  [0x4d, (m) => m.push(m.u16())], // BININT2
  [0x8a, (m) => m.push(m.long(m.u8()))], // LONG1
  [0x47, (m) => m.push(m.f64())], // BINFLOAT
  [0x58, (m) => m.push(m.text(m.u32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.u8()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.u64()))], // BINUNICODE8
  [0x54, (m) => m.push(m.text(m.u32(), 'latin1'))], // BINSTRING
  [0x55, (m) => m.push(m.text(m.u8(), 'latin1'))], // SHORT_BINSTRING
  [0x42, (m) => m.push(m.take(m.u32()).slice())], // BINBYTES
  [0x43, (m) => m.push(m.take(m.u8()).slice())], // SHORT_BINBYTES
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x61, (m) => append(m, m.pops(1))], // APPEND
  [0x65, (m) => append(m, m.popToMark())], // APPENDS
  [0x29, (m) => m.push(Object.freeze([]))], // EMPTY_TUPLE
  [0x74, (m) => m.push(Object.freeze(m.popToMark()))], // TUPLE
  [0x85, (m) => m.push(Object.freeze(m.pops(1)))], // TUPLE1
  [0x86, (m) => m.push(Object.freeze(m.pops(2)))], // TUPLE2
  [0x87, (m) => m.push(Object.freeze(m.pops(3)))], // TUPLE3
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x73, (m) => setItems(m, m.pops(2))], // SETITEM
  [0x75, (m) => setItems(m, m.popToMark())], // SETITEMS
  [0x71, (m) => m.remember(m.u8())], // BINPUT
  [0x72, (m) => m.remember(m.u32())], // LONG_BINPUT
  [0x94, (m) => m.remember(m.memo.size)], // MEMOIZE
  [0x68, (m) => m.recall(m.u8())], // BINGET
  [0x6a, (m) => m.recall(m.u32())], // LONG_BINGET
  [0x63, (m) => m.push(new PickledName(`${m.line()} ${m.line()}`))], // GLOBAL
  [0x93, (m) => m.push(new PickledName(stackName(m)))], // STACK_GLOBAL
  [0x51, (m) => m.push(m.rules.persistent(m.pop()))], // BINPERSID
  [0x52, reduce], // REDUCE
  [0x81, newObject], // NEWOBJ
  [0x62, build], // BUILD
])

function stackName(m: Machine): string {
  const parts = m.pops(2)
  if (!parts.every((part) => typeof part === 'string')) throw m.fault('a name that is no text', CUT)
  return parts.join(' ')
}

function append(m: Machine, items: readonly unknown[]): void {
  const list = m.stack.at(-1)
  if (!Array.isArray(list) || Object.isFrozen(list)) throw m.fault('an append to what is no list', CUT)
  for (const item of items) list.push(item)
}

function setItems(m: Machine, items: readonly unknown[]): void {
  const dict = m.stack.at(-1)
  if (!(dict instanceof Map) || items.length % 2 !== 0) throw m.fault('an entry for what is no dict', CUT)
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i]
    if (typeof key === 'object' && key !== null) throw m.fault('a dict key that is no text or number', 'These are read')
    dict.set(key, items[i + 1])
  }
}

function reduce(m: Machine): void {
  const [name, args] = m.pops(2)
  if (!(name instanceof PickledName) || !Array.isArray(args)) throw m.fault('a call of what is no name', CUT)
  m.push(m.rules.call(name.text, args as unknown[]))
}

/** `cls.__new__(cls)`: a record, whose class is not looked for. */
function newObject(m: Machine): void {
  const [name, args] = m.pops(2)
  if (!(name instanceof PickledName) || !Array.isArray(args) || args.length > 0) {
    const shown = name instanceof PickledName ? `'${brief(name.text)}' with arguments` : 'what is no class'
    throw m.fault(`a new object of ${shown}`, 'Objects are read as records of their fields, made without arguments')
  }
  m.push(new PickledRecord(name.text))
}

/** Fields of a record; attributes of a dict (a state dict's `_metadata`) are left out. */
function build(m: Machine): void {
  const [object, state] = m.pops(2)
  const isRecord = object instanceof PickledRecord
  if (!(state instanceof Map) || !(isRecord || object instanceof Map)) {
    throw m.fault('a state that is not set on a record or a dict', 'Only plain fields are read')
  }
  if (isRecord) for (const [key, value] of state as Map<unknown, unknown>) object.fields.set(key, value)
  m.push(object)
}
