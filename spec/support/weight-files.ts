/** Weight files for specs: held in memory, built by hand from JSON and bytes, and decoded a second, plain way. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { FileError } from '../../lib/errors/errors.js'
import type { RandomAccessFile } from '../../lib/weights/source.js'

/** A file in memory that fails on reads beyond its end, and counts what is asked of it. */
export class MemoryFile implements RandomAccessFile {
  readonly name = 'memory.safetensors'
  readonly size: number
  closed = 0
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.size = bytes.length
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset < 0 || length < 0 || offset + length > this.size) throw new Error(`read of ${length} at ${offset}`)
    return new Uint8Array(this.#bytes.subarray(offset, offset + length))
  }

  async close(): Promise<void> {
    this.closed++
  }
}

/** A safetensors file with exactly this header text (or object) and these data bytes, right or wrong. */
export function rawSafetensors(header: string | object, data: Uint8Array | number = 0): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const body = typeof data === 'number' ? new Uint8Array(data) : data
  const file = new Uint8Array(8 + json.length + body.length)
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true)
  file.set(json, 8)
  file.set(body, 8 + json.length)
  return file
}

export interface PlainTensor {
  readonly dtype: string
  readonly shape: number[]
  readonly values: number[]
}

type ReadValue = (view: DataView, at: number) => number

/** Bytes of a value and how a DataView reads it, in double precision. */
const PLAIN: Record<string, readonly [number, ReadValue]> = {
  F64: [8, (view, at) => Math.fround(view.getFloat64(at, true))],
  F32: [4, (view, at) => view.getFloat32(at, true)],
  F16: [2, (view, at) => halfByFormula(view.getUint16(at, true))],
  BF16: [2, (view, at) => bfloatByFormula(view.getUint16(at, true))],
  I64: [8, (view, at) => Number(view.getBigInt64(at, true))],
  U64: [8, (view, at) => Number(view.getBigUint64(at, true))],
  I32: [4, (view, at) => view.getInt32(at, true)],
  U32: [4, (view, at) => view.getUint32(at, true)],
  I16: [2, (view, at) => view.getInt16(at, true)],
  U16: [2, (view, at) => view.getUint16(at, true)],
  I8: [1, (view, at) => view.getInt8(at)],
  U8: [1, (view, at) => view.getUint8(at)],
  BOOL: [1, (view, at) => view.getUint8(at)],
}

/** Every tensor of a safetensors file taken to be sound, value by value. */
export function decodePlainly(bytes: Uint8Array): Map<string, PlainTensor> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const length = Number(view.getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors = new Map<string, PlainTensor>()
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const [size, read] = PLAIN[dtype]!
    const values: number[] = []
    for (let at = offsets[0]; at < offsets[1]; at += size) values.push(read(view, 8 + length + at))
    tensors.set(name, { dtype, shape, values })
  }
  return tensors
}

/** IEEE 754 binary16 by its definition: (-1)^s · 2^(e-15) · (1 + f/1024), and for e = 0: 2^-14 · f/1024. */
export function halfByFormula(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * 2 ** -14 * fraction : sign * 2 ** (exponent - 15) * (1 + fraction)
}

/** bfloat16 by its definition: 8 exponent bits with bias 127, 7 fraction bits. */
export function bfloatByFormula(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 7) & 255
  const fraction = (bits & 127) / 128
  if (exponent === 255) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * 2 ** -126 * fraction : sign * 2 ** (exponent - 127) * (1 + fraction)
}

/** The FileError a call ends in; anything else, success included, fails the spec. */
export async function fileErrorOf(call: () => unknown): Promise<FileError> {
  try {
    await call()
  } catch (error) {
    if (error instanceof FileError) return error
    throw error
  }
  throw new Error('no error was thrown')
}

/** Runs `body` with a new folder holding these files (name → text or bytes), and removes the folder afterwards. */
export async function withFolder(
  files: Readonly<Record<string, string | Uint8Array>>,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tfjs-lens-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
      await writeFile(path.join(folder, name), content)
    }
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Numbers in [0, 1) that depend on the seed alone (a 32-bit linear congruential generator, upper bits). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) / 2 ** 24
  }
}
