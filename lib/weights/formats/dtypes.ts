/** The number types a weight file may hold, and how their little-endian bytes become float32 or int32 values. */
import { decodeBfloat16, decodeFloat16 } from './float16.js'

export type Dtype =
  'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U64' | 'U32' | 'U16' | 'U8' | 'BOOL'

type Bytes = Uint8Array<ArrayBuffer>

interface FloatFormat {
  readonly kind: 'float'
  /** Bytes of one value. */
  readonly size: number
  /** Writes all values in `bytes` to `out`, from index `at` on. */
  readonly decode: (bytes: Bytes, out: Float32Array, at: number) => void
}

interface IntegerFormat {
  readonly kind: 'integer'
  readonly size: number
  /** The same; returns the index within `out` of the first value that an int32 (or a bool) cannot be, or -1. */
  readonly decode: (bytes: Bytes, out: Int32Array, at: number) => number
}

/** F64 is rounded to float32. Typed arrays have the byte order of the machine: little-endian on all that run us. */
export const DTYPES: Readonly<Record<Dtype, FloatFormat | IntegerFormat>> = {
  F64: float(8, (bytes, out, at) => out.set(new Float64Array(...words(bytes, 8)), at)),
  F32: float(4, (bytes, out, at) => new Uint8Array(out.buffer, out.byteOffset + 4 * at, bytes.length).set(bytes)),
  F16: float(2, (bytes, out, at) => decodeFloat16(new Uint16Array(...words(bytes, 2)), out, at)),
  BF16: float(2, (bytes, out, at) => decodeBfloat16(new Uint16Array(...words(bytes, 2)), out, at)),
  I64: integer(8, (bytes, out, at) => decodeWide(new Int32Array(...words(bytes, 4)), out, at, true)),
  U64: integer(8, (bytes, out, at) => decodeWide(new Int32Array(...words(bytes, 4)), out, at, false)),
  I32: integer(4, (bytes, out, at) => copy(new Int32Array(...words(bytes, 4)), out, at)),
  U32: integer(4, (bytes, out, at) => copyBelow(2 ** 31, new Uint32Array(...words(bytes, 4)), out, at)),
  I16: integer(2, (bytes, out, at) => copy(new Int16Array(...words(bytes, 2)), out, at)),
  U16: integer(2, (bytes, out, at) => copy(new Uint16Array(...words(bytes, 2)), out, at)),
  I8: integer(1, (bytes, out, at) => copy(new Int8Array(...words(bytes, 1)), out, at)),
  U8: integer(1, (bytes, out, at) => copy(bytes, out, at)),
  BOOL: integer(1, (bytes, out, at) => copyBelow(2, bytes, out, at)),
}

/** Whether a value read from a file names one of the types above. */
export function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(DTYPES, value)
}

/** Bits behind the point of a significand. */
const fractionBits = { F64: 52, F32: 23, F16: 10, BF16: 7 } as const

/** A number above 0 as a float type holds it: rounded to the nearest, a tie to the even one. Normal numbers only. */
export function roundedTo(dtype: Dtype, x: number): number {
  const bits = dtype in fractionBits ? fractionBits[dtype as keyof typeof fractionBits] : fractionBits.F64
  const step = 2 ** (Math.floor(Math.log2(x)) - bits)
  const below = Math.floor(x / step)
  const rest = x / step - below
  const up = rest > 0.5 || (rest === 0.5 && below % 2 === 1)
  return (up ? below + 1 : below) * step
}

function float(size: number, decode: FloatFormat['decode']): FloatFormat {
  return { kind: 'float', size, decode }
}

function integer(size: number, decode: IntegerFormat['decode']): IntegerFormat {
  return { kind: 'integer', size, decode }
}

/** Buffer, byte offset and length for a typed array of `size`-byte words; copies only where the bytes lie unaligned. */
function words(bytes: Bytes, size: number): [ArrayBuffer, number, number] {
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice()
  return [aligned.buffer, aligned.byteOffset, bytes.length / size]
}

function copy(values: ArrayLike<number>, out: Int32Array, at: number): number {
  out.set(values, at)
  return -1
}

function copyBelow(bound: number, values: Uint8Array | Uint32Array, out: Int32Array, at: number): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value >= bound) return at + i
    out[at + i] = value
  }
  return -1
}

/** 64-bit integers as pairs of 32-bit words, low word first: one fits when the high word only extends the sign. */
function decodeWide(pairs: Int32Array, out: Int32Array, at: number, signed: boolean): number {
  for (let i = 0; i < pairs.length / 2; i++) {
    const low = pairs[2 * i]!
    const high = pairs[2 * i + 1]!
    if (high !== low >> 31 || (!signed && high !== 0)) return at + i
    out[at + i] = low
  }
  return -1
}
