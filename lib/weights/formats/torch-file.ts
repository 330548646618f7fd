/**
 * Files of torch.save, as a zip archive (since torch 1.6) or as one stream (before): the pickled object, its tensors
 * read one at a time. Nothing in the file is run, see pickle.ts. Format: torch/serialization.py.
 */
import { FileError } from '../../errors/errors.js'
import { DTYPES, type Dtype } from './dtypes.js'
import { PickledName, pickledText, unpickle } from './pickle.js'
import { readTensor, type HostTensor } from '../read-tensor.js'
import type { RandomAccessFile } from '../source.js'
import { TorchTensor, type TorchStorage } from './torch-tensor.js'
import { brief } from '../../errors/brief.js'
import { ZipArchive } from './zip.js'

/** A pickle may take this many bytes: names, shapes and settings, never numbers. */
const MAX_PICKLE = 16 * 2 ** 20

/** The storage classes of torch and what they hold. */
const storageTypes: ReadonlyMap<string, Dtype> = new Map([
  ['torch DoubleStorage', 'F64'],
  ['torch FloatStorage', 'F32'],
  ['torch HalfStorage', 'F16'],
  ['torch BFloat16Storage', 'BF16'],
  ['torch LongStorage', 'I64'],
  ['torch IntStorage', 'I32'],
  ['torch ShortStorage', 'I16'],
  ['torch CharStorage', 'I8'],
  ['torch ByteStorage', 'U8'],
  ['torch BoolStorage', 'BOOL'],
])

/** An open torch.save file. */
export class TorchFile {
  /** What was saved, with a TorchTensor for each tensor; see pickle.ts for the rest. */
  readonly value: unknown
  readonly #file: RandomAccessFile
  readonly #open: (storage: TorchStorage) => Promise<RandomAccessFile>

  private constructor(file: RandomAccessFile, { value, storage }: Content) {
    this.#file = file
    this.value = value
    this.#open = storage
  }

  /**
   * Reads the pickle and checks that every tensor lies in the file. From here on the file belongs to the result, whose
   * close() closes it; it is closed at once when it is refused. Throws FileError, which names a call that is not known.
   */
  static async open(file: RandomAccessFile): Promise<TorchFile> {
    try {
      const head = await file.read(0, Math.min(4, file.size))
      const isZip = head[0] === 0x50 && head[1] === 0x4b
      return new TorchFile(file, await (isZip ? readArchive(file) : readStream(file)))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The numbers of a tensor of this file, in the order of its axes. */
  async read(tensor: TorchTensor, name = 'tensor'): Promise<HostTensor> {
    const { dtype } = tensor.storage
    const { begin, length } = tensor.span(this.#file.name, name)
    const { size } = DTYPES[dtype]
    const placed = { name, dtype, shape: [length], byteLength: length * size, begin: begin * size }
    const { values } = await readTensor(await this.#open(tensor.storage), placed)
    return { shape: tensor.shape, values: tensor.inOrder(values) }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

interface Content {
  readonly value: unknown
  /** The bytes of a storage as a file. */
  storage(storage: TorchStorage): Promise<RandomAccessFile>
}

async function readArchive(file: RandomAccessFile): Promise<Content> {
  const zip = await ZipArchive.open(file)
  const pickles = zip.names.filter((name) => /^[^/]+\/data\.pkl$/.test(name))
  if (pickles.length !== 1) {
    throw fault(file, `${pickles.length} members named '*/data.pkl'`, 'A file of torch.save has one')
  }
  const root = pickles[0]!.slice(0, -'data.pkl'.length)
  if ((await readSmall(zip, `${root}byteorder`)) === 'big') {
    throw fault(file, 'big-endian numbers', 'Save it on a little-endian machine')
  }
  const storages = new Storages(file)
  const pickle = await zip.member(pickles[0]!)
  if (pickle.size > MAX_PICKLE) throw fault(file, `a pickle of ${pickle.size} bytes`, `At most ${MAX_PICKLE} are read`)
  const { value, length } = unpickle(await pickle.read(0, pickle.size), storages)
  if (length !== pickle.size) throw fault(file, `${pickle.size - length} bytes behind its pickle`, 'It is damaged')
  for (const storage of storages.all) {
    const bytes = zip.sizeOf(`${root}data/${storage.key}`)
    if (bytes === storage.byteLength) continue
    throw fault(file, `${bytes ?? 'no'} bytes for storage '${brief(storage.key)}'`, `It says ${storage.byteLength}`)
  }
  return { value, storage: ({ key }) => zip.member(`${root}data/${key}`) }
}

async function readSmall(zip: ZipArchive, name: string): Promise<string> {
  const size = zip.sizeOf(name)
  if (size === undefined || size > 16) return ''
  return new TextDecoder().decode(await (await zip.member(name)).read(0, size))
}

const STREAM_MAGIC = 0x1950a86a20f9469cfc6cn
const STREAM_VERSION = 1001

/** Pickles one after another (magic, version, machine, the object, keys of the storages), then each storage's count and bytes. */
async function readStream(file: RandomAccessFile): Promise<Content> {
  const bytes = await file.read(0, Math.min(file.size, MAX_PICKLE))
  const storages = new Storages(file)
  let at = 0
  const next = (): unknown => {
    const { value, length } = unpickle(bytes.subarray(at), storages)
    at += length
    return value
  }
  if (bytes[0] !== 0x80 || next() !== STREAM_MAGIC || next() !== STREAM_VERSION) {
    throw fault(
      file,
      'neither a zip archive nor the stream that torch wrote before 1.6',
      'A file of torch.save is needed',
    )
  }
  const machine = next()
  if (!(machine instanceof Map) || machine.get('little_endian') !== true) {
    throw fault(file, 'numbers that are not little-endian', 'Save it on a little-endian machine')
  }
  const value = next()
  const keys = next()
  const begins = await placeStorages(file, at, keys, storages)
  return { value, storage: (storage) => Promise.resolve(shifted(file, begins.get(storage.key)!)) }
}

/** Where each storage begins; together they must take the rest of the file. */
async function placeStorages(
  file: RandomAccessFile,
  from: number,
  keys: unknown,
  { all }: Storages,
): Promise<Map<string, number>> {
  const byKey = new Map(all.map((storage) => [storage.key, storage]))
  const begins = new Map<string, number>()
  let at = from
  for (const key of Array.isArray(keys) ? (keys as unknown[]) : []) {
    const storage = byKey.get(key as string)
    if (!storage || begins.has(storage.key))
      throw fault(file, `a storage '${pickledText(key)}' of no tensor`, 'It is damaged')
    const count = new DataView((await file.read(at, 8)).buffer).getBigInt64(0, true)
    if (Number(count) !== storage.length) {
      throw fault(file, `${count} numbers in storage '${brief(storage.key)}'`, `Its tensors say ${storage.length}`)
    }
    begins.set(storage.key, at + 8)
    at += 8 + storage.byteLength
  }
  if (begins.size === byKey.size && at === file.size) return begins
  throw fault(file, `storages that end at byte ${at} of ${file.size}`, 'It is truncated or damaged')
}

/** A file from a byte on. */
function shifted(file: RandomAccessFile, begin: number): RandomAccessFile {
  return {
    name: file.name,
    size: file.size - begin,
    read: (offset, length) => file.read(begin + offset, length),
    close: async () => {},
  }
}

/** The names that a pickle of torch.save may call, and the storages it refers to. */
class Storages {
  readonly file: string
  readonly #byKey = new Map<string, TorchStorage>()

  constructor({ name }: RandomAccessFile) {
    this.file = name
  }

  get all(): TorchStorage[] {
    return [...this.#byKey.values()]
  }

  call(name: string, args: readonly unknown[]): unknown {
    switch (name) {
      case 'collections OrderedDict':
        if (args.length === 0) return new Map()
        break
      case 'torch._utils _rebuild_tensor_v2':
        return TorchTensor.from(this.file, args)
      case 'torch._utils _rebuild_parameter':
        if (args[0] instanceof TorchTensor) return args[0]
        break
      case 'torch device':
        if (args.every((arg) => typeof arg === 'string' || typeof arg === 'number')) return args.join(':')
        break
      default:
        throw new FileError(
          `read ${this.file}: the pickle calls '${brief(name.replace(' ', '.'))}'. Nothing is run: only tensors and plain values are read.`,
        )
    }
    throw new FileError(`read ${this.file}: the pickle calls '${name}' with ${args.length} arguments. It is damaged.`)
  }

  /** ('storage', class, key, device, count), from before torch 1.6 with a sixth that is None. */
  persistent(id: unknown): TorchStorage {
    const [kind, type, key, , length, view = null] = Array.isArray(id) ? (id as unknown[]) : []
    const dtype = type instanceof PickledName ? storageTypes.get(type.text) : undefined
    if (dtype === undefined) {
      throw new FileError(
        `read ${this.file}: a storage is '${pickledText(type)}'. Known are ${[...storageTypes.keys()].join(', ')}.`,
      )
    }
    const isCount = Number.isSafeInteger(length) && (length as number) >= 0
    if (kind !== 'storage' || typeof key !== 'string' || !isCount || view !== null) {
      throw new FileError(
        `read ${this.file}: a storage is described as ${pickledText(id)}. Class, key and count are needed.`,
      )
    }
    const storage = { key, dtype, length: length as number, byteLength: (length as number) * DTYPES[dtype].size }
    const before = this.#byKey.get(key)
    if (before && (before.dtype !== dtype || before.length !== length)) {
      throw new FileError(`read ${this.file}: storage '${brief(key)}' is described twice, differently. It is damaged.`)
    }
    if (!before) this.#byKey.set(key, storage)
    return before ?? storage
  }
}

function fault(file: RandomAccessFile, what: string, right: string): FileError {
  return new FileError(`open ${file.name}: the file has ${what}. ${right}.`)
}
