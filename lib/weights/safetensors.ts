/** Reading and writing safetensors files: tensors by name, in chunks, straight into float32 or int32 values. */
import { ArgumentError, FileError, ShapeError } from '../errors.js'
import { didYouMean } from '../nearest.js'
import { readTensor, type HostTensor } from './read-tensor.js'
import { readHeader, type Header, type PlacedTensor, type TensorInfo } from './safetensors-header.js'
import type { RandomAccessFile } from './source.js'

export type { Dtype } from './dtypes.js'
export type { HostTensor } from './read-tensor.js'
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
    const tensor = this.#tensors.get(name)
    if (tensor === undefined) {
      const hint = didYouMean(name, this.#tensors.keys())
      throw new FileError(`read ${this.#file.name}: no tensor '${name}' (it holds ${this.#tensors.size}).${hint}`)
    }
    return readTensor(this.#file, tensor)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/**
 * The bytes of a safetensors file with these tensors, as F32 and I32, in the order given. Throws ShapeError when a
 * shape does not match its values, ArgumentError for the reserved name `__metadata__`.
 */
export function encodeSafetensors(
  tensors: Record<string, { readonly shape: readonly number[]; readonly values: Float32Array | Int32Array }>,
  metadata?: Record<string, string>,
): Uint8Array<ArrayBuffer> {
  let end = 0
  const entries = Object.entries(tensors).map(([name, { shape, values }]) => {
    checkEncodable(name, shape, values)
    const begin = end
    end += values.byteLength
    const dtype = values instanceof Float32Array ? 'F32' : 'I32'
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const
  })
  const head = encodeHeader(metadata === undefined ? entries : [['__metadata__', metadata], ...entries])
  const file = new Uint8Array(head.length + end)
  file.set(head)
  let at = head.length
  for (const { values } of Object.values(tensors)) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
    at += values.byteLength
  }
  return file
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
