/** Reading and writing safetensors files: tensors by name, in chunks, straight into float32 or int32 values. */
import type * as tf from '@tensorflow/tfjs'
import { ArgumentError, FileError, ShapeError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { mappedTensor } from '../mapped.js'
import { readTensor, type HostTensor } from '../read-tensor.js'
import { readHeader, type Header, type PlacedTensor, type TensorInfo } from './safetensors-header.js'
import type { RandomAccessFile } from '../source.js'

export type { Dtype } from './dtypes.js'
export type { HostTensor } from '../read-tensor.js'
export type { TensorInfo } from './safetensors-header.js'

/** An open safetensors file, whose header has been checked. */
export class SafetensorsFile {
  readonly infos: ReadonlyMap<string, TensorInfo>
  readonly metadata: Readonly<Record<string, string>>
  readonly #file: RandomAccessFile
  readonly #tensors: ReadonlyMap<string, PlacedTensor>

  private constructor(file: RandomAccessFile, header: Header) {
    this.#file = file
    this.#tensors = header.tensors
    this.infos = header.tensors
    this.metadata = header.metadata
  }

  /**
   * Reads and checks the header. From here on the file belongs to the result, whose close() closes it; it is closed
   * at once when the header is refused. Throws FileError naming the file, the tensor and the numbers.
   */
  static async open(file: RandomAccessFile): Promise<SafetensorsFile> {
    try {
      return new SafetensorsFile(file, await readHeader(file))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * Reads one tensor. Holds no more than its values and one chunk. Throws FileError when there is no such tensor, or
   * when an integer does not fit in 32 bits.
   */
  async read(name: string): Promise<HostTensor> {
    return readTensor(this.#file, this.#placed(name))
  }

  /** The tensor itself, where it need not be read (mapped.ts); the caller owns it. Throws FileError as `read`. */
  map(name: string): tf.Tensor | undefined {
    return mappedTensor(this.#file, this.#placed(name))
  }

  /** Rows `begin` up to `end` of a tensor's first axis; nothing else of it is read. Throws FileError as `read`. */
  async readRows(name: string, begin: number, end: number): Promise<HostTensor> {
    const tensor = this.#placed(name)
    const [rows = 0, ...rest] = tensor.shape
    if (!(begin >= 0 && begin <= end && end <= rows)) {
      throw new FileError(`read ${this.#file.name}: rows ${begin} to ${end} of '${name}'. It has ${rows}.`)
    }
    const bytes = rows === 0 ? 0 : tensor.byteLength / rows
    const part = { begin: tensor.begin + begin * bytes, byteLength: (end - begin) * bytes }
    return readTensor(this.#file, { ...tensor, ...part, shape: [end - begin, ...rest] })
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  #placed(name: string): PlacedTensor {
    const tensor = this.#tensors.get(name)
    if (tensor !== undefined) return tensor
    const hint = didYouMean(name, this.#tensors.keys())
    throw new FileError(`read ${this.#file.name}: no tensor '${name}' (it holds ${this.#tensors.size}).${hint}`)
  }
}

/** A tensor to write: float32 or int32 values in row-major order. */
export interface EncodableTensor {
  readonly shape: readonly number[]
  readonly values: Float32Array | Int32Array
}

/**
 * The bytes of a safetensors file with these tensors, as F32 and I32, in the order given. Throws ShapeError when a
 * shape does not match its values, ArgumentError for the reserved name `__metadata__`.
 */
export function encodeSafetensors(
  tensors: Record<string, EncodableTensor>,
  metadata?: Record<string, string>,
): Uint8Array<ArrayBuffer> {
  const parts = safetensorsParts(Object.entries(tensors), metadata)
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    file.set(part, at)
    at += part.length
  }
  return file
}

/** The same bytes as a list of pieces: the head, then each tensor's values where they lie, not copied. */
export function safetensorsParts(
  tensors: Iterable<readonly [name: string, EncodableTensor]>,
  metadata?: Record<string, string>,
): Uint8Array[] {
  let end = 0
  const bodies: Uint8Array[] = []
  const entries = [...tensors].map(([name, { shape, values }]) => {
    checkEncodable(name, shape, values)
    const begin = end
    end += values.byteLength
    bodies.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    const dtype = values instanceof Float32Array ? 'F32' : 'I32'
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const
  })
  return [encodeHeader(metadata === undefined ? entries : [['__metadata__', metadata], ...entries]), ...bodies]
}

function checkEncodable(name: string, shape: readonly number[], values: Float32Array | Int32Array): void {
  if (name === '__metadata__') {
    throw new ArgumentError("encodeSafetensors: a tensor named '__metadata__'. The format reserves that name.")
  }
  const count = shape.reduce((product, dimension) => product * dimension, 1)
  if (count !== values.length || !shape.every((dimension) => Number.isInteger(dimension) && dimension >= 0)) {
    const what = `tensor '${name}' of shape [${shape}] has ${values.length} values`
    throw new ShapeError(`encodeSafetensors: ${what}. The product of the shape's whole numbers is needed.`)
  }
}

/** Length and JSON, padded with spaces so that the data begins at a multiple of 8 bytes. */
function encodeHeader(entries: readonly (readonly [string, unknown])[]): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const head = new Uint8Array(8 + 8 * Math.ceil(json.length / 8)).fill(0x20)
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true)
  head.set(json, 8)
  return head
}
