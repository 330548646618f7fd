/** Where the files of a model or an SAE come from: here a local folder. The only file about weights that needs Node. */
import { createHash } from 'node:crypto'
import { createReadStream, statSync, type Dirent, type Stats } from 'node:fs'
import { open, readdir, realpath, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { FileError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { pathTrick } from '../files/path-trick.js'
import { fewNames } from '../errors/brief.js'

export { readJson } from '../files/json-file.js'

/** FileHandle.read aborts the whole process at 2 GiB and more, so no single read is larger than this (bytes). */
const MAX_READ = 256 * 2 ** 20
/** The largest file that readText takes (bytes). */
const MAX_TEXT = 256 * 2 ** 20
const MAX_LISTED = 100_000

/**
 * Where a model's or an SAE's files come from. File names are relative, parts separated by `/`; a name that could lead
 * out of the source ('..', absolute, NUL, backslash) is a FileError in every method.
 */
export interface Source {
  /** What the user named, for messages and provenance. */
  readonly id: string
  /** What fixes every byte: the commit of a repository on the hub; undefined for a folder, whose files may change. */
  readonly commit?: string
  /** All file names, sorted; hidden ones (`.git`, `.cache`) are left out. */
  list(): Promise<string[]>
  has(file: string): Promise<boolean>
  /** Opens a file to read from; the caller closes it. Throws FileError when it is missing. */
  open(file: string): Promise<RandomAccessFile>
  /** A whole UTF-8 text file. Throws FileError when it is missing, larger than 256 MiB or not UTF-8. */
  readText(file: string): Promise<string>
  /** The SHA-256 of a file's bytes, in hex, for provenance. */
  sha256(file: string): Promise<string>
}

/** An open file, of which any part can be read. */
export interface RandomAccessFile {
  /** For messages: the source's id and the file's name. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Exactly `length` bytes from `offset` on, in an array of their own. Throws FileError when they are not there. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>
  /** The same into memory that is there already, where the file can do it. */
  readInto?(bytes: Uint8Array<ArrayBuffer>, offset: number): Promise<void>
  /** Where the file lies on this machine. Throws FileError when it is not the one that was opened any more. */
  path?(): string
  close(): Promise<void>
}

/** The files of a local folder; `id` is what messages call it. Throws FileError when there is no such folder. */
export async function folderSource(folder: string, id = folder): Promise<Source> {
  if (folder === '' || folder.includes('\0')) {
    throw new FileError(`folderSource: '${folder.replaceAll('\0', '\\0')}' is no path. Name a folder.`)
  }
  const info = await statOrNothing(folder)
  if (info === undefined) throw new FileError(`folderSource: there is no folder '${folder}'. Name an existing folder.`)
  if (!info.isDirectory()) {
    throw new FileError(`folderSource: '${folder}' is a file. Name its folder, '${path.dirname(folder)}'.`)
  }
  return new FolderSource(id, await realpath(folder))
}

class FolderSource implements Source {
  readonly id: string
  readonly #root: string

  constructor(id: string, root: string) {
    this.id = id
    this.#root = root
  }

  async list(): Promise<string[]> {
    const found: string[] = []
    await this.#walk('', found)
    return found.sort()
  }

  async has(file: string): Promise<boolean> {
    const info = await statOrNothing(await this.#locate(file, 'has'))
    return info?.isFile() ?? false
  }

  async open(file: string): Promise<RandomAccessFile> {
    const { full, info } = await this.#find(file, 'open')
    const handle = await explained(`open ${this.id}/${file}`, () => open(full, 'r'))
    return new OpenFile(`${this.id}/${file}`, full, info, handle)
  }

  async readText(file: string): Promise<string> {
    const opened = await this.open(file)
    try {
      if (opened.size > MAX_TEXT) {
        throw new FileError(
          `read ${opened.name}: it has ${opened.size} bytes. A text file of up to ${MAX_TEXT} is read.`,
        )
      }
      return decodeUtf8(await opened.read(0, opened.size), opened.name)
    } finally {
      await opened.close()
    }
  }

  async sha256(file: string): Promise<string> {
    const { full } = await this.#find(file, 'sha256')
    return explained(`sha256 ${this.id}/${file}`, async () => {
      const hash = createHash('sha256')
      for await (const chunk of createReadStream(full, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer)
      return hash.digest('hex')
    })
  }

  /** The path of a file that may or may not exist, after every check that it lies in this folder. */
  async #locate(file: string, verb: string): Promise<string> {
    const trick = pathTrick(file)
    if (trick !== undefined) throw outside(verb, this.id, file, `has ${trick}`)
    const full = path.join(this.#root, file)
    if (!file.includes('/')) return full
    // A file may be a link to anywhere (so they lie in the Hugging Face cache), a folder on the way to it may not.
    const folder = await realpath(path.dirname(full)).catch(() => undefined)
    if (folder === undefined) return full
    const inside = path.relative(this.#root, folder)
    if (inside === '..' || inside.startsWith(`..${path.sep}`) || path.isAbsolute(inside)) {
      throw outside(verb, this.id, file, `leads to '${folder}'`)
    }
    return full
  }

  async #find(file: string, verb: string): Promise<{ full: string; info: Stats }> {
    const full = await this.#locate(file, verb)
    const info = await statOrNothing(full)
    if (info === undefined) {
      const there = await this.list()
      const hint = didYouMean(file, there) || ` It holds ${fewNames(there)}.`
      throw new FileError(`${verb}: '${this.id}' has no file '${file}'.${hint}`)
    }
    // Opening a pipe or a device could wait for ever.
    if (!info.isFile()) throw new FileError(`${verb}: '${file}' in '${this.id}' is not a file. Name a regular file.`)
    return { full, info }
  }

  async #walk(folder: string, found: string[]): Promise<void> {
    for (const entry of await this.#entries(folder)) {
      if (entry.name.startsWith('.')) continue
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) await this.#walk(name, found)
      else if (entry.isFile() || (entry.isSymbolicLink() && (await this.#linksToFile(name)))) found.push(name)
      if (found.length > MAX_LISTED) {
        throw new FileError(`list: '${this.id}' has over ${MAX_LISTED} files. Name the folder of one model or SAE.`)
      }
    }
  }

  #entries(folder: string): Promise<Dirent[]> {
    return explained(`list ${this.id}`, () => readdir(path.join(this.#root, folder), { withFileTypes: true }))
  }

  async #linksToFile(name: string): Promise<boolean> {
    return (await statOrNothing(path.join(this.#root, name)))?.isFile() ?? false
  }
}

class OpenFile implements RandomAccessFile {
  readonly name: string
  readonly size: number
  readonly #full: string
  readonly #ino: number
  readonly #handle: FileHandle

  constructor(name: string, full: string, { size, ino }: Stats, handle: FileHandle) {
    this.name = name
    this.#full = full
    this.size = size
    this.#ino = ino
    this.#handle = handle
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
      throw new FileError(`read ${this.name}: ${length} bytes at ${offset}. Whole numbers from 0 up are needed.`)
    }
    if (offset + length > this.size) {
      throw new FileError(`read ${this.name}: ${length} bytes at ${offset}. The file ends at ${this.size}.`)
    }
    const bytes = new Uint8Array(length)
    await this.readInto(bytes, offset)
    return bytes
  }

  async readInto(bytes: Uint8Array<ArrayBuffer>, offset: number): Promise<void> {
    for (let done = 0; done < bytes.length;) done += await this.#readSome(bytes, done, offset + done)
  }

  async #readSome(bytes: Uint8Array, at: number, position: number): Promise<number> {
    const length = Math.min(MAX_READ, bytes.length - at)
    const { bytesRead } = await explained(`read ${this.name}`, () => this.#handle.read(bytes, at, length, position))
    if (bytesRead === 0) {
      throw new FileError(`read ${this.name}: it now ends at ${position}, not at ${this.size}. It changed while open.`)
    }
    return bytesRead
  }

  path(): string {
    const info = statSync(this.#full, { throwIfNoEntry: false })
    if (info?.size === this.size && info.ino === this.#ino) return this.#full
    throw new FileError(`read ${this.name}: another file lies there now. It changed while open.`)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

async function statOrNothing(full: string): Promise<Stats | undefined> {
  try {
    return await stat(full)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(code)) return undefined
    throw new FileError(`stat: '${full}' cannot be looked at (${code}). Check its permissions.`, { cause: error })
  }
}

/** Runs a file operation; the system's error becomes a FileError that says what was being done. */
async function explained<T>(doing: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new FileError(`${doing}: ${reason}. A readable file is needed.`, { cause: error })
  }
}

function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new FileError(`read ${name}: it is not UTF-8 text. Is it a text file?`, { cause: error })
  }
}

function outside(verb: string, id: string, file: string, why: string): FileError {
  const shown = JSON.stringify(file).slice(1, -1)
  return new FileError(`${verb}: '${shown}' ${why}. A plain name of a file inside '${id}' is needed.`)
}
