/**
 * A server on this machine that speaks the protocol of the Hugging Face hub: model info, files by revision with their
 * hashes, large files on another host, ranges, tokens; and that fails on request.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What goes wrong with the requests whose `METHOD path` matches. */
export interface Fault {
  readonly at: RegExp
  /** How many requests it hits. @default all */
  times?: number
  /** Answer with this status. */
  readonly status?: number
  /** Cut the connection after so many bytes. */
  readonly dropAfter?: number
  /** Serve the file as if it ended here. */
  readonly endAt?: number
  /** Announce a size that is so much larger. */
  readonly sizeError?: number
  /** Change a byte. */
  readonly damage?: boolean
  /** Milliseconds before each 64 KiB. */
  readonly slow?: number
}

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

export interface Repository {
  /** File name → content. */
  readonly files: ReadonlyMap<string, Buffer>
  readonly commit: string
}

const large = /\.(safetensors|bin|pth|npz|onnx|parquet)$/
const digest = (kind: 'sha1' | 'sha256', ...parts: (string | Buffer)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash(kind)).digest('hex')

/** The files of a folder as a repository. */
export function repositoryOf(folder: string, extra: Readonly<Record<string, string>> = {}): Repository {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const files = new Map<string, Buffer>()
  for (const name of names) {
    const file = path.join(folder, name)
    if (statSync(file).isFile()) files.set(name.replaceAll('\\', '/'), readFileSync(file))
  }
  for (const [name, text] of Object.entries(extra)) files.set(name, Buffer.from(text))
  return { files, commit: digest('sha1', ...[...files].flat()) }
}

export class HubServer {
  readonly requests: SeenRequest[] = []
  readonly faults: Fault[] = []
  /** `org/name`, or `datasets/org/name`, → revision → repository. */
  readonly repositories = new Map<string, Map<string, Repository>>()
  /** Former name → name of today. */
  readonly renamed = new Map<string, string>()
  /** When set, every request to the hub itself needs it. */
  token: string | undefined
  readonly #hub = createServer((request, response) => void this.#onHub(request, response))
  readonly #storage = createServer((request, response) => void this.#onStorage(request, response))
  readonly #blobs = new Map<string, Buffer>()

  static async start(): Promise<HubServer> {
    const server = new HubServer()
    await Promise.all(
      [server.#hub, server.#storage].map((one) => new Promise<void>((done) => one.listen(0, '127.0.0.1', done))),
    )
    return server
  }

  get url(): string {
    return addressOf(this.#hub)
  }

  add(name: string, repository: Repository, revision = 'main'): void {
    const revisions = this.repositories.get(name) ?? new Map<string, Repository>()
    this.repositories.set(name, revisions.set(revision, repository).set(repository.commit, repository))
    for (const content of repository.files.values()) this.#blobs.set(digest('sha256', content), content)
  }

  /** Paths that were asked for since the last call: `GET /org/name/resolve/…`, those to the storage left out. */
  seen(): string[] {
    const seen = this.requests.splice(0)
    return seen.filter((one) => !one.path.startsWith('/storage')).map(({ method, path }) => `${method} ${path}`)
  }

  async close(): Promise<void> {
    for (const one of [this.#hub, this.#storage]) {
      one.closeAllConnections()
      await new Promise((done) => one.close(done))
    }
  }

  async #onHub(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = this.#note(request)
    if (this.#failed(request, response)) return
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      return refuse(response, 401, 'RepoNotFound', 'Invalid username or password.')
    }
    const info = /^\/api\/(?:models\/|(datasets\/))(.+)\/revision\/(.+)$/.exec(pathname)
    if (info) return this.#info(response, (info[1] ?? '') + info[2]!, decodeURIComponent(info[3]!))
    const file = /^\/(?:api\/resolve-cache\/(?:models\/)?)?(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(pathname)
    if (!file) return refuse(response, 404)
    const names = [file[1]!, decodeURIComponent(file[2]!), decodeURIComponent(file[3]!)] as const
    return this.#file(request, response, pathname, ...names)
  }

  /** A repository's revision, or the answer that there is none. */
  #find(response: ServerResponse, name: string, revision: string, pathname: string): Repository | undefined {
    const today = this.renamed.get(name)
    if (today !== undefined) {
      response.writeHead(307, { location: pathname.replace(name, today) }).end()
      return undefined
    }
    const revisions = this.repositories.get(name)
    const found = revisions?.get(revision)
    if (!found) refuse(response, 404, revisions ? 'RevisionNotFound' : 'RepoNotFound')
    return found
  }

  #info(response: ServerResponse, name: string, revision: string): void {
    const kind = name.startsWith('datasets/') ? '' : 'models/'
    const address = `/api/${kind}${name}/revision/${encodeURIComponent(revision)}`
    const found = this.#find(response, name, revision, address)
    if (!found) return
    const siblings = [...found.files.keys()].map((rfilename) => ({ rfilename }))
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ _id: '1', id: name, sha: found.commit, siblings, lastModified: '2024-01-01' }))
  }

  async #file(
    request: IncomingMessage,
    response: ServerResponse,
    pathname: string,
    name: string,
    revision: string,
    file: string,
  ): Promise<void> {
    const found = this.#find(response, name, revision, pathname)
    if (!found) return
    const content = found.files.get(file)
    if (content === undefined) return refuse(response, 404, 'EntryNotFound')
    response.setHeader('x-repo-commit', found.commit)
    if (large.test(file)) {
      const sha256 = digest('sha256', content)
      response.setHeader('x-linked-etag', `"${sha256}"`)
      const wrong = this.#fault(request, ({ sizeError }) => sizeError !== undefined)?.sizeError ?? 0
      response.setHeader('x-linked-size', content.length + wrong)
      response.writeHead(302, { location: `${addressOf(this.#storage)}/storage/${sha256}` }).end()
    } else if (!pathname.startsWith('/api/')) {
      const kind = name.startsWith('datasets/') ? '' : '/models'
      response.writeHead(307, { location: `/api/resolve-cache${kind}${pathname}` }).end()
    } else {
      response.setHeader('etag', `"${digest('sha1', `blob ${content.length}\0`, content)}"`)
      await this.#send(request, response, content)
    }
  }

  /** The host of large files: as a real one, it refuses tokens that are not meant for it. */
  async #onStorage(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = this.#note(request)
    if (request.headers.authorization !== undefined) return refuse(response, 400)
    if (this.#failed(request, response)) return
    const content = this.#blobs.get(pathname.split('/').at(-1)!)
    if (!content) return refuse(response, 404)
    response.setHeader('etag', '"of the storage itself"')
    await this.#send(request, response, content)
  }

  async #send(request: IncomingMessage, response: ServerResponse, whole: Buffer): Promise<void> {
    const fault = this.#fault(request, ({ status, sizeError }) => status === undefined && sizeError === undefined)
    const content = Buffer.from(whole.subarray(0, fault?.endAt))
    if (fault?.damage) content[content.length >> 1]! ^= 1
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (start > 0 && start >= content.length) return void response.writeHead(416).end()
    const body = content.subarray(start)
    response.setHeader('content-length', body.length)
    if (start > 0) response.setHeader('content-range', `bytes ${start}-${content.length - 1}/${content.length}`)
    response.writeHead(start > 0 ? 206 : 200)
    if (request.method === 'HEAD') return void response.end()
    response.flushHeaders()
    const end = Math.min(body.length, fault?.dropAfter ?? Infinity)
    for (let at = 0; at < end; at += 65536) {
      if (fault?.slow !== undefined) await sleep(fault.slow)
      await new Promise((sent) => response.write(body.subarray(at, Math.min(at + 65536, end)), sent))
    }
    if (fault?.dropAfter === undefined) return void response.end()
    await sleep(20) // so that the bytes arrive before the end does
    response.destroy()
  }

  #note(request: IncomingMessage): URL {
    const url = new URL(request.url!, 'http://hub')
    const { range, authorization } = request.headers
    this.requests.push({ method: request.method!, path: url.pathname, range, authorization })
    return url
  }

  #failed(request: IncomingMessage, response: ServerResponse): boolean {
    const status = this.#fault(request, (fault) => fault.status !== undefined)?.status
    if (status !== undefined) refuse(response, status)
    return status !== undefined
  }

  #fault(request: IncomingMessage, kind: (fault: Fault) => boolean): Fault | undefined {
    const fault = this.faults.find(
      (one) => kind(one) && one.times !== 0 && one.at.test(`${request.method} ${request.url}`),
    )
    if (fault?.times !== undefined) fault.times--
    return fault
  }
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function refuse(response: ServerResponse, status: number, code?: string, message?: string): void {
  if (code !== undefined) response.setHeader('x-error-code', code)
  if (message !== undefined) response.setHeader('x-error-message', message)
  response.writeHead(status, { 'content-type': 'application/json' }).end('{"error":"refused"}')
}
