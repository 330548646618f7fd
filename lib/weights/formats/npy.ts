/**
 * Arrays as numpy.save writes them: a text header that says type, order and shape, then the numbers.
 * Format: numpy/lib/format.py, versions 1 to 3. Every field is checked, since nobody vouches for a file.
 */
import { FileError } from '../../errors/errors.js'
import { DTYPES, type Dtype } from './dtypes.js'
import { readTensor, type HostTensor } from '../read-tensor.js'
import type { PlacedTensor } from './safetensors-header.js'
import type { RandomAccessFile } from '../source.js'
import { brief } from '../../errors/brief.js'

/** A header may take this many bytes: it says three things. */
const MAX_HEADER = 65_536

const dtypes: Readonly<Record<string, Dtype>> = {
  '<f8': 'F64',
  '<f4': 'F32',
  '<f2': 'F16',
  '<i8': 'I64',
  '<i4': 'I32',
  '<i2': 'I16',
  '|i1': 'I8',
  '<u8': 'U64',
  '<u4': 'U32',
  '<u2': 'U16',
  '|u1': 'U8',
  '|b1': 'BOOL',
}

/** The array of an .npy file, with the last axis fastest. @throws FileError naming the file and what is wrong with it. */
export async function readNpy(file: RandomAccessFile): Promise<HostTensor> {
  const { tensor, columnMajor } = await readNpyHeader(file)
  const read = await readTensor(file, tensor)
  return columnMajor ? { shape: read.shape, values: rowMajor(read) } : read
}

async function readNpyHeader(file: RandomAccessFile): Promise<{ tensor: PlacedTensor; columnMajor: boolean }> {
  const fault = (what: string, right: string) => new FileError(`read ${file.name}: ${what}. ${right}.`)
  const head = await file.read(0, Math.min(12, file.size))
  const view = new DataView(head.buffer)
  if (head.length < 10 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059) {
    throw fault('it is no array of numpy', "A file that numpy.save wrote begins with '\\x93NUMPY'")
  }
  const version = head[6]!
  if (version < 1 || version > 3) throw fault(`version ${version} of the format`, 'Versions 1 to 3 are read')
  const at = version === 1 ? 10 : 12
  if (head.length < at) throw fault(`${file.size} bytes`, 'It is truncated')
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > MAX_HEADER) throw fault(`a header of ${length} bytes`, `At most ${MAX_HEADER} are read`)
  if (at + length > file.size) throw fault(`a header of ${length} bytes in a file of ${file.size}`, 'It is truncated')
  const text = new TextDecoder('latin1').decode(await file.read(at, length))
  const { descr, columnMajor, shape } = parseHeader(text, fault)
  const dtype = Object.hasOwn(dtypes, descr) ? dtypes[descr] : undefined
  if (!dtype) throw fault(`numbers of type '${brief(descr)}'`, typeHint(descr))
  const byteLength = shape.reduce((bytes, n) => bytes * n, DTYPES[dtype].size)
  const there = file.size - at - length
  if (byteLength !== there) {
    throw fault(`${there} bytes of numbers`, `'${descr}' of shape [${brief(shape.join())}] takes ${byteLength}`)
  }
  return { tensor: { name: file.name, dtype, shape, byteLength, begin: at + length }, columnMajor }
}

interface NpyHeader {
  readonly descr: string
  readonly columnMajor: boolean
  readonly shape: number[]
}

/** The Python dict that is the header: exactly its three keys, with plain values. */
function parseHeader(text: string, fault: (what: string, right: string) => FileError): NpyHeader {
  const body = /^\{(.*)\}\s*$/s.exec(text)?.[1]
  const found = new Map<string, string>()
  const entry = /\s*(['"])(\w+)\1\s*:\s*(?:(['"])([^'"]*)\3|(True|False)|\(([\d\s,L]*)\)|(\[[^\]]*\]))\s*(?:,|$)/gy
  let end = 0
  for (let match = entry.exec(body ?? ''); match; match = entry.exec(body!)) {
    if (match[7] !== undefined) throw fault('records of several fields', 'Plain arrays of numbers are read')
    found.set(match[2]!, match[4] ?? match[5] ?? match[6]!)
    end = entry.lastIndex
  }
  const [descr, order, axes] = ['descr', 'fortran_order', 'shape'].map((key) => found.get(key))
  const shape = (axes ?? '?')
    .split(',')
    .map((n) => n.trim())
    .filter((n, i, all) => n !== '' || i < all.length - 1) // (3,) ends in a comma, () is empty
  const sound = body !== undefined && body.slice(end).trim() === '' && found.size === 3
  const typed = descr !== undefined && (order === 'True' || order === 'False')
  if (!sound || !typed || !shape.every((n) => /^\d{1,15}L?$/.test(n))) {
    throw fault(`its header is '${brief(text.trim())}'`, 'It must say descr, fortran_order and shape, and nothing else')
  }
  return { descr, columnMajor: order === 'True', shape: shape.map((n) => parseInt(n, 10)) }
}

function typeHint(descr: string): string {
  if (descr.includes('O')) return 'Arrays of objects are pickles, which may run code: they are refused'
  if (descr.startsWith('>')) return 'Big-endian numbers are not read'
  return `Known are ${Object.keys(dtypes).join(', ')}`
}

/** Numbers whose first axis is the fastest, in the usual order. */
function rowMajor({ shape, values }: HostTensor): HostTensor['values'] {
  const out = values instanceof Float32Array ? new Float32Array(values.length) : new Int32Array(values.length)
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, n) => product * n, 1))
  const index = shape.map(() => 0)
  let from = 0
  for (let i = 0; i < out.length; i++) {
    out[i] = values[from]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return out
}
