/**
 * Zip archives (torch.save, numpy.savez) through their directory: stored members are read in place, deflated ones are
 * inflated whole. Format: PKWARE APPNOTE 6.3.10. Every field is checked, since nobody vouches for a file.
 */
import { FileError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import type { RandomAccessFile } from '../source.js'
import { brief } from '../../errors/brief.js'

const END = 0x06054b50
const END_64 = 0x06064b50
const LOCATOR_64 = 0x07064b50
const ENTRY = 0x02014b50
const LOCAL = 0x04034b50
/** An archive's directory may take this many bytes. */
const MAX_DIRECTORY = 64 * 2 ** 20
/** Deflate cannot shrink by more than this (RFC 1951: 258 bytes in 2 bits). */
const MAX_RATIO = 1032

/** What the directory says of a member. */
interface Member {
  readonly name: string
  readonly deflated: boolean
  /** Bytes of the content. */
  readonly size: number
  /** Bytes in the archive. */
  readonly storedSize: number
  readonly header: number
  /** Where the next member, or the directory, begins. */
  readonly limit: number
}

/** An open archive, whose directory has been checked. The file stays its opener's. */
export class ZipArchive {
  readonly #file: RandomAccessFile
  readonly #members: ReadonlyMap<string, Member>

  private constructor(file: RandomAccessFile, members: ReadonlyMap<string, Member>) {
    this.#file = file
    this.#members = members
  }

  /** Throws FileError for an archive whose directory is damaged, lies, or uses what is not read (encryption, parts). */
  static async open(file: RandomAccessFile): Promise<ZipArchive> {
    const { begin, size, count } = await findDirectory(file)
    if (size > MAX_DIRECTORY) throw fault(file, `a directory of ${size} bytes`, `At most ${MAX_DIRECTORY} are read`)
    const entries = readEntries(file, await file.read(begin, size), count)
    const inOrder = entries.sort((a, b) => a.header - b.header)
    const members = inOrder.map((entry, i) => ({ ...entry, limit: inOrder[i + 1]?.header ?? begin }))
    for (const member of members) {
      if (member.header + 30 + member.storedSize > member.limit) {
        throw fault(file, `member '${brief(member.name)}' reaches into what follows it`, 'Members must lie apart')
      }
    }
    return new ZipArchive(file, new Map(members.map((member) => [member.name, member])))
  }

  get names(): string[] {
    return [...this.#members.keys()]
  }

  /** Bytes of a member's content, as the directory says; undefined when there is no such member. */
  sizeOf(name: string): number | undefined {
    return this.#members.get(name)?.size
  }

  /** A member as a file of its own, read in place where it is stored. Its close() does nothing. */
  async member(name: string): Promise<RandomAccessFile> {
    const member = this.#members.get(name)
    if (!member) throw fault(this.#file, `no member '${brief(name)}'`, `It holds others${didYouMean(name, this.names)}`)
    const begin = await this.#dataOf(member)
    const label = `${this.#file.name}/${brief(name)}`
    if (!member.deflated) return new FileWindow(label, this.#file, begin, member.size)
    const bytes = await inflate(await this.#file.read(begin, member.storedSize), member.size, label)
    return new FileWindow(label, inMemory(label, bytes), 0, bytes.length)
  }

  /** Where a member's bytes begin: behind its local header, which must tell the same as the directory. */
  async #dataOf(member: Member): Promise<number> {
    const head = viewOf(await this.#file.read(member.header, 30))
    const nameLength = head.getUint16(26, true)
    const begin = member.header + 30 + nameLength + head.getUint16(28, true)
    const fits =
      head.getUint32(0, true) === LOCAL &&
      head.getUint16(8, true) === (member.deflated ? 8 : 0) &&
      begin + member.storedSize <= member.limit
    const name = fits ? new TextDecoder().decode(await this.#file.read(member.header + 30, nameLength)) : undefined
    if (name === member.name) return begin
    throw fault(this.#file, `member '${brief(member.name)}' is not where the directory says`, 'It is damaged')
  }
}

/** Place of the directory from the record at the end of the archive, in its 64-bit form where there is one. */
async function findDirectory(file: RandomAccessFile): Promise<{ begin: number; size: number; count: number }> {
  const tailLength = Math.min(file.size, 22 + 0xffff)
  const tail = viewOf(await file.read(file.size - tailLength, tailLength))
  let at = tailLength - 22
  while (at >= 0 && !(tail.getUint32(at, true) === END && tail.getUint16(at + 20, true) === tailLength - 22 - at)) at--
  if (at < 0) throw fault(file, 'there is no zip directory at its end', 'It is truncated, or not a zip archive')
  const end = file.size - tailLength + at
  const counts = { begin: tail.getUint32(at + 16, true), size: tail.getUint32(at + 12, true), count: tail.getUint16(at + 10, true) } // prettier-ignore
  const wide = at >= 20 && tail.getUint32(at - 20, true) === LOCATOR_64
  const record = wide ? Number(tail.getBigUint64(at - 12, true)) : end
  const found = wide ? await readWide(file, record, end - 20) : counts
  if (found.begin + found.size !== record) {
    throw fault(file, `a directory of ${found.size} bytes at ${found.begin}`, `It should end at byte ${record}`)
  }
  return found
}

async function readWide(file: RandomAccessFile, at: number, end: number): Promise<ReturnType<typeof counted>> {
  if (at + 56 > end) throw fault(file, `its directory's record is at ${at}`, `It should end before byte ${end}`)
  const record = viewOf(await file.read(at, 56))
  if (record.getUint32(0, true) !== END_64) throw fault(file, `no directory record at byte ${at}`, 'It is damaged')
  return counted(record)
}

function counted(record: DataView): { begin: number; size: number; count: number } {
  const at = (offset: number) => Number(record.getBigUint64(offset, true))
  return { begin: at(48), size: at(40), count: at(32) }
}

function readEntries(file: RandomAccessFile, bytes: Uint8Array, count: number): Omit<Member, 'limit'>[] {
  const view = viewOf(bytes)
  const entries = new Map<string, Omit<Member, 'limit'>>()
  let at = 0
  while (at < bytes.length) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== ENTRY) {
      throw fault(file, `no entry at byte ${at} of its directory`, 'It is damaged')
    }
    const lengths = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [number, number, number]
    const next = at + 46 + lengths[0] + lengths[1] + lengths[2]
    if (next > bytes.length) throw fault(file, 'an entry that ends behind its directory', 'It is damaged')
    const entry = readEntry(file, bytes.subarray(at, next), lengths)
    if (entries.has(entry.name)) throw fault(file, `two members '${brief(entry.name)}'`, 'Names must differ')
    entries.set(entry.name, entry)
    at = next
  }
  if (entries.size !== count) throw fault(file, `${entries.size} members, and says ${count}`, 'It is damaged')
  return [...entries.values()]
}

function readEntry(
  file: RandomAccessFile,
  bytes: Uint8Array,
  lengths: [number, number, number],
): Omit<Member, 'limit'> {
  const view = viewOf(bytes)
  const [nameLength, extraLength] = lengths
  const name = new TextDecoder().decode(bytes.subarray(46, 46 + nameLength))
  const wide = wideFields(bytes.subarray(46 + nameLength, 46 + nameLength + extraLength))
  // fields that are full stand in the extra field, in this order
  const [size, storedSize, header] = [24, 20, 42].map((offset) => {
    const value = view.getUint32(offset, true)
    return value === 0xffffffff ? (wide.shift() ?? NaN) : value
  }) as [number, number, number]
  const method = view.getUint16(10, true)
  const refuse = (what: string, right: string) => fault(file, `member '${brief(name)}' ${what}`, right)
  if (![size, storedSize, header].every((n) => Number.isSafeInteger(n))) throw refuse('has no size', 'It is damaged')
  if (view.getUint16(8, true) & 1) throw refuse('is encrypted', 'Plain members are read')
  if (method !== 0 && method !== 8) throw refuse(`is packed by method ${method}`, 'Stored and deflated ones are read')
  if (method === 0 ? size !== storedSize : size > MAX_RATIO * storedSize) {
    throw refuse(`has ${size} bytes in ${storedSize}`, 'No packing does that')
  }
  return { name, deflated: method === 8, size, storedSize, header }
}

/** The numbers of the extra field with id 1 (zip64). */
function wideFields(extra: Uint8Array): number[] {
  const view = viewOf(extra)
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue
    const length = Math.min(view.getUint16(at + 2, true), extra.length - at - 4)
    return Array.from({ length: Math.floor(length / 8) }, (_, i) => Number(view.getBigUint64(at + 4 + 8 * i, true)))
  }
  return []
}

/** Exactly `size` bytes; stops as soon as there are more. */
async function inflate(packed: Uint8Array<ArrayBuffer>, size: number, label: string): Promise<Uint8Array<ArrayBuffer>> {
  const refuse = (what: string, cause?: unknown) =>
    new FileError(`read ${label}: ${what}. Its directory says ${size} bytes.`, { cause })
  const chunks: Uint8Array[] = []
  let at = 0
  try {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'))
    for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) {
      if (chunk.length > size - at) throw refuse('it unpacks to more than it should')
      chunks.push(chunk)
      at += chunk.length
    }
  } catch (error) {
    throw error instanceof FileError ? error : refuse('it cannot be unpacked', error)
  }
  if (at !== size) throw refuse(`it unpacks to ${at} bytes`)
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer())
}

/** A part of a file as a file. */
class FileWindow implements RandomAccessFile {
  readonly name: string
  readonly size: number
  readonly #file: Pick<RandomAccessFile, 'read'>
  readonly #begin: number

  constructor(name: string, file: Pick<RandomAccessFile, 'read'>, begin: number, size: number) {
    this.name = name
    this.size = size
    this.#file = file
    this.#begin = begin
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new FileError(`read ${this.name}: ${length} bytes at ${offset}. It ends at ${this.size}.`)
    }
    return this.#file.read(this.#begin + offset, length)
  }

  async close(): Promise<void> {}
}

function inMemory(name: string, bytes: Uint8Array<ArrayBuffer>): Pick<RandomAccessFile, 'read'> {
  return { read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)) }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function fault(file: RandomAccessFile, what: string, right: string): FileError {
  return new FileError(`open ${file.name}: ${what}. ${right}.`)
}
