/** Reading one tensor whose bytes lie end to end in a file: in chunks, straight into float32 or int32 values. */
import { FileError } from '../errors/errors.js'
import { DTYPES } from './formats/dtypes.js'
import type { PlacedTensor, TensorInfo } from './formats/safetensors-header.js'
import type { RandomAccessFile } from './source.js'

/** Bytes read and decoded at a time: fast (larger ones fall out of the CPU's cache), a multiple of every dtype's size. */
const CHUNK = 4 * 2 ** 20

/** A tensor's numbers in ordinary memory: float types as float32, integers and bools as int32. */
export interface HostTensor {
  readonly shape: readonly number[]
  readonly values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>
}

/** Holds no more than the values and one chunk. Throws FileError when an integer does not fit in 32 bits. */
export async function readTensor(file: RandomAccessFile, tensor: PlacedTensor): Promise<HostTensor> {
  const format = DTYPES[tensor.dtype]
  const count = tensor.byteLength / format.size
  if (format.kind === 'float') {
    const values = allocate(file, tensor, () => new Float32Array(count))
    if (tensor.dtype === 'F32' && file.readInto) {
      await file.readInto(new Uint8Array(values.buffer), tensor.begin) // the bytes are the values
      return { shape: tensor.shape, values }
    }
    await forEachChunk(file, tensor, (bytes, at) => format.decode(bytes, values, at))
    return { shape: tensor.shape, values }
  }
  const values = allocate(file, tensor, () => new Int32Array(count))
  await forEachChunk(file, tensor, (bytes, at) => {
    const misfit = format.decode(bytes, values, at)
    if (misfit >= 0) throw misfitFault(file, tensor, misfit)
  })
  return { shape: tensor.shape, values }
}

/** Hands on the bytes of a tensor in order, each time with the index of their first value. */
async function forEachChunk(
  file: RandomAccessFile,
  tensor: PlacedTensor,
  take: (bytes: Uint8Array<ArrayBuffer>, at: number) => void,
): Promise<void> {
  const { size } = DTYPES[tensor.dtype]
  for (let done = 0; done < tensor.byteLength; done += CHUNK) {
    const length = Math.min(CHUNK, tensor.byteLength - done)
    take(await file.read(tensor.begin + done, length), done / size)
  }
}

function allocate<T>(file: RandomAccessFile, tensor: TensorInfo, make: () => T): T {
  try {
    return make()
  } catch (error) {
    const what = `tensor '${tensor.name}' of shape [${tensor.shape}] does not fit in memory`
    throw new FileError(`read ${file.name}: ${what}. A smaller tensor is needed.`, { cause: error })
  }
}

function misfitFault(file: RandomAccessFile, { name, dtype }: TensorInfo, index: number): FileError {
  const what = `entry ${index} of ${dtype} tensor '${name}' is out of range`
  const right = dtype === 'BOOL' ? 'A bool is 0 or 1' : 'Integers must fit in 32 bits, sign included'
  return new FileError(`read ${file.name}: ${what}. ${right}.`)
}
