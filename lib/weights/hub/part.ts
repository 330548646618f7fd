/**
 * A download in progress, beside the blob it will become. Each process writes to a file of its own; one that was left
 * behind is taken over by renaming it, which only one process can do.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { threadId } from 'node:worker_threads'

/** A part nobody has written to for so long (ms) is abandoned: longer than fetch waits for the next bytes. */
const IDLE = 10 * 60_000

const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)

export class PartFile {
  /** Bytes it holds. */
  length = 0
  readonly #blob: string
  readonly #file: string
  readonly #handle: FileHandle
  #hash = createHash('sha256')

  private constructor(blob: string, file: string, handle: FileHandle) {
    this.#blob = blob
    this.#file = file
    this.#handle = handle
  }

  /** Goes on with what an earlier try has left, or begins. One at a time in this process for one blob. */
  static async open(blob: string): Promise<PartFile> {
    await mkdir(path.dirname(blob), { recursive: true })
    const own = `${blob}.${host}-${process.pid}-${threadId}.incomplete`
    for (const left of await abandoned(blob)) {
      if (left === own || (await tookOver(left, own))) break
    }
    const part = new PartFile(blob, own, await open(own, 'a'))
    for await (const chunk of createReadStream(own, { highWaterMark: 2 ** 20 })) part.#count(chunk as Buffer)
    return part
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#handle.appendFile(bytes)
    this.#count(bytes)
  }

  /** Forgets all bytes. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0)
    this.#hash = createHash('sha256')
    this.length = 0
  }

  /** SHA-256 of its bytes, in hex. */
  sha256(): string {
    return this.#hash.copy().digest('hex')
  }

  /** Becomes the blob. */
  async finish(): Promise<void> {
    await this.#handle.close()
    await rename(this.#file, this.#blob)
  }

  /** Leaves its bytes for a later try of any process. Not under Python's name: it may be writing to that one. */
  async leave(): Promise<void> {
    await this.#handle.close()
    if (this.length === 0) return rm(this.#file, { force: true })
    await utimes(this.#file, 0, 0) // nobody writes to it
    await rename(this.#file, `${this.#blob}.left.incomplete`)
  }

  async discard(): Promise<void> {
    await this.#handle.close()
    await rm(this.#file, { force: true })
  }

  #count(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    this.length += bytes.length
  }
}

/** False when another process was first. */
function tookOver(left: string, own: string): Promise<boolean> {
  return rename(left, own).then(
    () => true,
    () => false,
  )
}

/** Parts of a blob that nobody writes to any more, the largest first. */
async function abandoned(blob: string): Promise<string[]> {
  const folder = path.dirname(blob)
  const found: { file: string; size: number }[] = []
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${path.basename(blob)}.`) || !name.endsWith('.incomplete')) continue
    const file = path.join(folder, name)
    const info = await stat(file).catch(() => undefined)
    if (info && (Date.now() - info.mtimeMs > IDLE || writerIsGone(name))) found.push({ file, size: info.size })
  }
  return found.sort((a, b) => b.size - a.size).map(({ file }) => file)
}

function writerIsGone(name: string): boolean {
  const [, ofHost, pid, thread] = /\.([0-9a-f]{8})-(\d+)-(\d+)\.incomplete$/.exec(name) ?? []
  if (ofHost !== host) return false
  if (Number(pid) === process.pid) return Number(thread) === threadId // of an earlier process with our number
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
