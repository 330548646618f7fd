/** Files as torch.save writes them, built by hand from bytes: pickles, archives and streams, right or wrong. */
import { deflateRawSync } from 'node:zlib'

const text = new TextEncoder()

export function bytes(...parts: (number | string | Uint8Array | readonly number[])[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map((part) =>
    typeof part === 'string'
      ? text.encode(part)
      : typeof part === 'number'
        ? Uint8Array.of(part)
        : Uint8Array.from(part),
  )
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

/** Little-endian number of so many bytes. */
export function le(value: number | bigint, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n))
}

// ---- pickles, protocol 2

export const MARK = '('
export const STOP = '.'

export function pickle(...parts: Parameters<typeof bytes>): Uint8Array<ArrayBuffer> {
  return bytes([0x80, 2], ...parts, STOP)
}
export function str(value: string): Uint8Array {
  return bytes('X', le(text.encode(value).length, 4), value)
}
export function int(value: number | bigint): Uint8Array {
  return bytes([0x8a, 8], le(BigInt.asUintN(64, BigInt(value)), 8))
}
export function name(module: string, attribute: string): Uint8Array {
  return bytes(`c${module}\n${attribute}\n`)
}
export function tuple(...items: Uint8Array[]): Uint8Array {
  return bytes(MARK, ...items, 't')
}
export function call(callee: Uint8Array, ...args: Uint8Array[]): Uint8Array {
  return bytes(callee, tuple(...args), 'R')
}
export function dict(entries: Record<string, Uint8Array>): Uint8Array {
  return bytes('}', MARK, ...Object.entries(entries).flatMap(([key, value]) => [str(key), value]), 'u')
}

export interface TensorText {
  readonly type?: string
  readonly key?: string
  /** Numbers in the storage. */
  readonly count: number
  readonly offset?: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}

export function storage({ type = 'FloatStorage', key = '0', count }: TensorText): Uint8Array {
  return bytes(tuple(str('storage'), name('torch', type), str(key), str('cpu'), int(count)), 'Q')
}
export function tensor(of: TensorText, stored = storage(of)): Uint8Array {
  const counts = (values: readonly number[]) => tuple(...values.map(int))
  const hooks = bytes(name('collections', 'OrderedDict'), ')R')
  const args = [stored, int(of.offset ?? 0), counts(of.shape), counts(of.strides), bytes([0x89]), hooks]
  return call(name('torch._utils', '_rebuild_tensor_v2'), ...args)
}

// ---- archives

export interface MemberText {
  readonly content: Uint8Array
  readonly deflate?: boolean
  /** Put sizes and place into 64-bit fields. */
  readonly wide?: boolean
  /** What the directory says in place of the truth. */
  readonly says?: {
    size?: number
    storedSize?: number
    header?: number
    method?: number
    flags?: number
    name?: string
  }
}

export interface ZipText {
  /** A 64-bit record of the directory too. */
  readonly wide?: boolean
  readonly says?: { count?: number; begin?: number; size?: number }
  readonly comment?: string
}

export function zip(members: Record<string, MemberText | Uint8Array>, options: ZipText = {}): Uint8Array<ArrayBuffer> {
  let file = bytes()
  let directory = bytes()
  for (const [path, given] of Object.entries(members)) {
    const member = given instanceof Uint8Array ? { content: given } : given
    const { content, deflate = false, wide = false, says = {} } = member as MemberText
    const data = deflate ? new Uint8Array(deflateRawSync(content)) : content
    const method = deflate ? 8 : 0
    const [size, storedSize, header] = [
      says.size ?? content.length,
      says.storedSize ?? data.length,
      says.header ?? file.length,
    ]
    const extra = wide ? bytes(le(1, 2), le(24, 2), le(size, 8), le(storedSize, 8), le(header, 8)) : bytes()
    const field = (value: number) => le(wide ? 0xffffffff : value, 4)
    const label = text.encode(path)
    const told = text.encode(says.name ?? path)
    file = bytes(file, 'PK', [3, 4, 20, 0, 8, 8], le(method, 2), le(0, 16), le(label.length, 2), le(0, 2), label, data)
    directory = bytes(
      directory,
      'PK',
      [1, 2, 20, 0, 20, 0],
      le(says.flags ?? 0x808, 2),
      le(says.method ?? method, 2),
      le(0, 8),
      field(storedSize),
      field(size),
      le(told.length, 2),
      le(extra.length, 2),
      le(0, 10),
      field(header),
      told,
      extra,
    )
  }
  const { count = Object.keys(members).length, begin = file.length, size = directory.length } = options.says ?? {}
  const record = file.length + directory.length
  const wide64 = bytes(
    'PK',
    [6, 6],
    le(44, 8),
    le(0, 4),
    le(0, 8),
    le(count, 8),
    le(count, 8),
    le(size, 8),
    le(begin, 8),
    'PK',
    [6, 7],
    le(0, 4),
    le(record, 8),
    le(1, 4),
  )
  const [n, s, b] = options.wide ? [0xffff, 0xffffffff, 0xffffffff] : [count, size, begin]
  const comment = text.encode(options.comment ?? '')
  return bytes(
    file,
    directory,
    options.wide ? wide64 : [],
    'PK',
    [5, 6],
    le(0, 4),
    le(n, 2),
    le(n, 2),
    le(s, 4),
    le(b, 4),
    le(comment.length, 2),
    comment,
  )
}

/** A torch.save archive of this pickle and these storages. */
export function torchZip(
  value: Uint8Array,
  storages: Record<string, Uint8Array | MemberText> = {},
): Uint8Array<ArrayBuffer> {
  const data = Object.fromEntries(Object.entries(storages).map(([key, content]) => [`archive/data/${key}`, content]))
  return zip({ 'archive/data.pkl': pickle(value), 'archive/byteorder': bytes('little'), ...data })
}

/** The stream that torch wrote before 1.6. */
export function torchStream(
  value: Uint8Array,
  storages: Record<string, { count: number; content: Uint8Array }> = {},
): Uint8Array<ArrayBuffer> {
  const magic = bytes([0x8a, 10], le(0x1950a86a20f9469cfc6cn, 10))
  const keys = bytes(']', MARK, ...Object.keys(storages).map(str), 'e')
  const data = Object.values(storages).map(({ count, content }) => bytes(le(count, 8), content))
  const machine = bytes('}', str('little_endian'), [0x88], 's')
  return bytes(pickle(magic), pickle(int(1001)), pickle(machine), pickle(value), pickle(keys), ...data)
}

export function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}
