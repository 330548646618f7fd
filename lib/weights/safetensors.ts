/** Reading and writing safetensors files: tensors by name, in chunks, straight into float32 or int32 values. */
import { ArgumentError, FileError, ShapeError } from '../errors.js'
import { didYouMean } from '../nearest.js'
import { DTYPES } from './dtypes.js'
import { readHeader, type Header, type PlacedTensor, type TensorInfo } from './safetensors-header.js'
import type { RandomAccessFile } from './source.js'

export type { Dtype } from './dtypes.js'
export type { TensorInfo } from './safetensors-header.js'

/** Bytes read and decoded at a time: fast (larger ones fall out of the CPU's cache), a multiple of every dtype's size. */
const CHUNK = 4 * 2 ** 20

/** A tensor's numbers in ordinary memory: float types as float32, integers and bools as int32. */
export interface HostTensor {
  readonly shape: readonly number[]
  readonly values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>
}

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
    const format = DTYPES[tensor.dtype]
    const count = tensor.byteLength / format.size
    if (format.kind === 'float') {
      const values = this.#allocate(tensor, () => new Float32Array(count))
      await this.#forEachChunk(tensor, (bytes, at) => format.decode(bytes, values, at))
      return { shape: tensor.shape, values }
    }
    const values = this.#allocate(tensor, () => new Int32Array(count))
    await this.#forEachChunk(tensor, (bytes, at) => {
      const misfit = format.decode(bytes, values, at)
      if (misfit >= 0) throw this.#misfit(tensor, misfit)
    })
    return { shape: tensor.shape, values }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  /** Hands on the bytes of a tensor in order, each time with the index of their first value. */
  async #forEachChunk(tensor: PlacedTensor, take: (bytes: Uint8Array<ArrayBuffer>, at: number) => void): Promise<void> {
    const { size } = DTYPES[tensor.dtype]
    for (let done = 0; done < tensor.byteLength; done += CHUNK) {
      const length = Math.min(CHUNK, tensor.byteLength - done)
      take(await this.#file.read(tensor.begin + done, length), done / size)
    }
  }

  #allocate<T>(tensor: TensorInfo, make: () => T): T {
    try {
      return make()
    } catch (error) {
      const what = `tensor '${tensor.name}' of shape [${tensor.shape}] does not fit in memory`
      throw new FileError(`read ${this.#file.name}: ${what}. A smaller tensor is needed.`, { cause: error })
    }
  }

  #misfit({ name, dtype }: TensorInfo, index: number): FileError {
    const what = `entry ${index} of ${dtype} tensor '${name}' is out of range`
    const right = dtype === 'BOOL' ? 'A bool is 0 or 1' : 'Integers must fit in 32 bits, sign included'
    return new FileError(`read ${this.#file.name}: ${what}. ${right}.`)
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
