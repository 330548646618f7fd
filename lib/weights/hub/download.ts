/** Fetches one file of the hub into the cache: streamed, resumed where it broke off, and checked before it is shown. */
import { FileError } from '../../errors/errors.js'
import { blobSize, inCache, type HubCache } from './cache.js'
import { PartFile } from './part.js'
import { pause, reasonOf, repositoryAddress, request, type HubConnection } from './request.js'
import { brief } from '../../errors/brief.js'

/** How often in a row a download may break off without a new byte. */
const BREAKS = 4
const MAX_REDIRECTS = 5

/** Bytes of a file that have arrived, and all of them. */
export type OnBytes = (loaded: number, total: number) => void

interface RemoteFile {
  readonly url: string
  /** For messages: `org/name/config.json`. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Its name as a blob: the SHA-256 of a large (LFS) file, a git hash of a small one. */
  readonly etag: string
}

/** Downloads by blob: a second request for one in this process waits for the first. */
const underway = new Map<string, Promise<void>>()

/**
 * Fetches a file into the blobs and shows it in the snapshot of `commit`.
 * @throws FileError for a file that is not there or arrives damaged; Unreachable when the hub cannot be reached.
 *   Neither shows anything in the snapshot; what has arrived stays for a later try unless it is wrong.
 */
export async function fetchToCache(
  hub: HubConnection,
  cache: HubCache,
  commit: string,
  file: string,
  onBytes: OnBytes,
): Promise<void> {
  const remote = await describe(hub, commit, file)
  const blob = cache.blob(remote.etag)
  if ((await blobSize(blob)) !== remote.size) {
    const running = underway.get(blob) ?? download(hub, remote, blob, onBytes).finally(() => underway.delete(blob))
    underway.set(blob, running)
    await running
  }
  onBytes(remote.size, remote.size)
  await cache.link(commit, file, remote.etag)
}

/** Size and hash of a file: the hub says them itself, before it redirects to where the bytes lie. */
async function describe(hub: HubConnection, commit: string, file: string): Promise<RemoteFile> {
  const name = `${hub.repoId}/${file}`
  const start = `${repositoryAddress(hub)}/resolve/${commit}/${encodeParts(file)}`
  let url = start
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const answer = await request(hub, url, { method: 'HEAD', redirect: 'manual', headers: plain }, `fetch ${name}`)
    const { headers } = answer
    const next = answer.status >= 300 ? headers.get('location') : null
    const etag = headers.get('x-linked-etag') ?? (next === null ? headers.get('etag') : null)
    if (etag !== null) {
      const size = headers.get('x-linked-size') ?? headers.get('content-length')
      return { url: start, name, size: readSize(size, name), etag: readEtag(etag, name) }
    }
    if (next === null) break
    url = new URL(next, url).href
  }
  throw new FileError(`fetch ${name}: ${hub.settings.endpoint} gives no ETag for it. Is it a Hugging Face hub?`)
}

/** Compressed bytes could neither be counted nor resumed. */
const plain = { 'accept-encoding': 'identity' }

function encodeParts(file: string): string {
  return file.split('/').map(encodeURIComponent).join('/')
}

function readSize(text: string | null, name: string): number {
  if (text !== null && /^\d{1,15}$/.test(text)) return Number(text)
  throw new FileError(`fetch ${name}: the hub says '${brief(text)}' for its size. A number of bytes is needed.`)
}

/** The ETag without quotes: it becomes a file name, so nothing but letters and digits passes. */
function readEtag(text: string, name: string): string {
  const etag = text.replace(/^W\//, '').replaceAll('"', '')
  if (/^[A-Za-z0-9_-]{1,128}$/.test(etag)) return etag
  throw new FileError(`fetch ${name}: the hub says '${brief(text)}' for its ETag. Letters and digits are needed.`)
}

async function download(hub: HubConnection, remote: RemoteFile, blob: string, onBytes: OnBytes): Promise<void> {
  const part = await inCache(`write ${blob}`, () => PartFile.open(blob))
  try {
    if (part.length > remote.size) await part.restart()
    for (let breaks = 0; part.length < remote.size;) {
      const before = part.length
      const fault = await receive(hub, remote, part, onBytes)
      breaks = part.length > before ? 0 : breaks + 1
      if (part.length < remote.size && breaks === BREAKS) throw brokenOff(remote, part.length, fault)
      if (part.length < remote.size) await pause(hub, breaks + 1)
    }
  } catch (error) {
    await part.leave()
    throw error
  }
  const wrong = faultOf(part, remote)
  if (wrong !== undefined) {
    await part.discard()
    throw new FileError(`fetch ${remote.name}: ${wrong}. Nothing of it was kept: try again.`)
  }
  await inCache(`write ${blob}`, () => part.finish())
}

/** Takes what one answer brings. Returns why it ended early, if it did. */
async function receive(hub: HubConnection, remote: RemoteFile, part: PartFile, onBytes: OnBytes): Promise<string> {
  const headers = part.length > 0 ? { ...plain, range: `bytes=${part.length}-` } : plain
  const answer = await request(hub, remote.url, { headers }, `fetch ${remote.name}`)
  if (answer.status === 416) {
    await answer.body?.cancel()
    return 'the hub has no more of it'
  }
  const from = Number(/^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '')?.[1])
  if (part.length > 0 && from !== part.length) await part.restart() // the whole file comes
  try {
    for await (const bytes of answer.body ?? []) {
      await inCache(`write ${remote.name}`, () => part.append(bytes))
      onBytes(Math.min(part.length, remote.size), remote.size)
      if (part.length > remote.size) break
    }
    return 'the connection ended'
  } catch (error) {
    if (error instanceof FileError) throw error
    return reasonOf(error)
  }
}

function brokenOff(remote: RemoteFile, length: number, fault: string): FileError {
  return new FileError(
    `fetch ${remote.name}: only ${length} of its ${remote.size} bytes came (${fault}). They are kept: try again, and it goes on from there.`,
  )
}

/** What is wrong with all that came, or undefined. */
function faultOf(part: PartFile, { size, etag }: RemoteFile): string | undefined {
  if (part.length !== size) return `more than its ${size} bytes came`
  if (!/^[0-9a-f]{64}$/.test(etag)) return undefined
  const sha256 = part.sha256()
  return sha256 === etag ? undefined : `its SHA-256 is ${sha256}, where the hub says ${etag}`
}
