/**
 * The head of a safetensors file: 8 bytes (its length, u64), then JSON that places every tensor in the data behind it.
 * Format: https://github.com/huggingface/safetensors#format. Every field is checked, since nobody vouches for a file.
 */
import { FileError } from '../../errors/errors.js'
import { DTYPES, isDtype, type Dtype } from './dtypes.js'
import { isJsonObject, parseJsonWithUniqueKeys } from '../../files/json-file.js'
import type { RandomAccessFile } from '../source.js'
import { brief } from '../../errors/brief.js'

/** The reference implementation's limit (bytes). */
const MAX_HEADER = 100_000_000

/** What a weight file says of one tensor. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Bytes in the file. */
  readonly byteLength: number
}

/** A tensor and where its bytes begin, counted from the start of the file. */
export interface PlacedTensor extends TensorInfo {
  readonly begin: number
}

export interface Header {
  /** In the header's order. */
  readonly tensors: ReadonlyMap<string, PlacedTensor>
  readonly metadata: Readonly<Record<string, string>>
}

/** Reads and checks the head of a file. Throws FileError that names the file, the tensor and the numbers. */
export async function readHeader(file: RandomAccessFile): Promise<Header> {
  const length = await readHeaderLength(file)
  const text = decodeText(await file.read(8, length), file)
  if (!text.startsWith('{')) {
    throw fault(file, `the header begins with ${JSON.stringify(text.slice(0, 1))}`, "A JSON object, '{…}', is needed")
  }
  const { __metadata__: metadata, ...entries } = parseJsonWithUniqueKeys(text, `open ${file.name}`) as object & {
    __metadata__?: unknown
  }
  const dataStart = 8 + length
  const tensors = Object.entries(entries).map(([name, entry]) => placeTensor(file, dataStart, name, entry))
  checkCover(file, dataStart, tensors)
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata: checkMetadata(file, metadata) }
}

async function readHeaderLength(file: RandomAccessFile): Promise<number> {
  if (file.size < 8) {
    throw fault(file, `the file has ${file.size} bytes`, 'A safetensors file has at least 8, and its header')
  }
  const head = await file.read(0, 8)
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true)
  if (new TextDecoder().decode(head) === 'version ') {
    throw fault(file, 'it is a Git LFS pointer, not the weights', "Fetch the file itself, as with 'git lfs pull'")
  }
  if (length > MAX_HEADER) throw fault(file, `a header of ${length} bytes`, `At most ${MAX_HEADER} are allowed`)
  if (Number(length) > file.size - 8) {
    const right = 'It is truncated, or not safetensors'
    throw fault(file, `a header of ${length} bytes in a file of ${file.size}`, right)
  }
  return Number(length)
}

function decodeText(bytes: Uint8Array, file: RandomAccessFile): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw fault(file, 'the header is not UTF-8', 'UTF-8 JSON is needed: it is damaged, or not safetensors', error)
  }
}

function placeTensor(file: RandomAccessFile, dataStart: number, name: string, entry: unknown): PlacedTensor {
  const refuse = (what: string, right: string): FileError => fault(file, `tensor '${brief(name)}' ${what}`, right)
  if (!isJsonObject(entry)) throw refuse(`is ${brief(entry)}`, 'An object of dtype, shape, data_offsets is needed')
  const { dtype, shape, data_offsets: offsets } = entry
  if (!isDtype(dtype)) throw refuse(`has dtype ${brief(dtype)}`, `Known are ${Object.keys(DTYPES).join(', ')}`)
  if (!isListOfCounts(shape)) throw refuse(`has shape ${brief(shape)}`, 'A list of whole numbers from 0 up is needed')
  if (!isListOfCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw refuse(`has data_offsets ${brief(offsets)}`, 'Two whole numbers, begin and end, are needed')
  }
  const [begin, end] = offsets as [number, number]
  const needed = byteCount(shape, DTYPES[dtype].size)
  if (needed !== end - begin) {
    const shown = Number.isSafeInteger(needed) ? needed : 'over 2^53'
    throw refuse(`has ${end - begin} bytes`, `${dtype} of shape ${brief(shape)} takes ${shown}`)
  }
  if (end > file.size - dataStart) {
    const right = `The file holds ${file.size - dataStart} bytes of data: it is truncated, or its header wrong`
    throw refuse(`ends at byte ${end}`, right)
  }
  return { name, dtype, shape, byteLength: end - begin, begin: dataStart + begin }
}

function isListOfCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)
}

/** Bytes of a tensor, or Infinity when any step of the product is beyond exact numbers. */
function byteCount(shape: readonly number[], valueSize: number): number {
  let bytes = valueSize
  for (const dimension of shape) {
    bytes *= dimension
    if (!Number.isSafeInteger(bytes)) return Infinity
  }
  return bytes
}

/** The format forbids overlaps and holes: in order, each tensor begins where the one before it ended. */
function checkCover(file: RandomAccessFile, dataStart: number, tensors: readonly PlacedTensor[]): void {
  let covered = dataStart
  let last = 'the header'
  const inOrder = [...tensors].sort((a, b) => a.begin - b.begin || a.byteLength - b.byteLength)
  for (const { name, begin, byteLength } of inOrder) {
    if (begin !== covered) {
      const how = begin < covered ? 'overlaps' : 'leaves a hole after'
      const numbers = `it begins at byte ${begin - dataStart}, not ${covered - dataStart}`
      throw fault(file, `tensor '${brief(name)}' ${how} ${last} (${numbers})`, 'Tensors must lie end to end')
    }
    covered = begin + byteLength
    last = `'${brief(name)}'`
  }
  if (covered !== file.size) {
    const what = `${file.size - covered} bytes behind ${last}`
    throw fault(file, what, `The file should end at byte ${covered}`)
  }
}

function checkMetadata(file: RandomAccessFile, metadata: unknown = {}): Record<string, string> {
  if (!isJsonObject(metadata)) throw fault(file, `__metadata__ is ${brief(metadata)}`, 'An object of strings is needed')
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value === 'string') continue
    throw fault(file, `__metadata__ entry '${brief(key)}' is ${brief(value)}`, 'A string is needed')
  }
  return metadata as Record<string, string>
}

function fault(file: RandomAccessFile, what: string, right: string, cause?: unknown): FileError {
  return new FileError(`open ${file.name}: ${what}. ${right}.`, { cause })
}
