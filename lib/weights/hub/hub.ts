/** A repository of the Hugging Face hub as a source: files are fetched when they are asked for, and kept. */
import { ArgumentError, FileError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { HubCache, isCommit, type RepositoryKind } from './cache.js'
import { fetchToCache } from './download.js'
import { hubSettings, type HubOptions } from './env.js'
import { downloadEvents, type DownloadEvent } from './download-events.js'
import { request, Unreachable, type HubConnection } from './request.js'
import { isJsonObject } from '../../files/json-file.js'
import { folderSource, type RandomAccessFile, type Source } from '../source.js'
import { pathTrick } from '../../files/path-trick.js'
import { brief, fewNames } from '../../errors/brief.js'

export interface HubSourceOptions extends HubOptions {
  /** @default 'model' */
  readonly kind?: RepositoryKind
  /** A branch, a tag or a commit. @default 'main' */
  readonly revision?: string
  /** Called as files are downloaded; `false` for silence. */
  readonly onProgress?: ((event: DownloadEvent) => void) | false
  /** Replaces the global fetch. */
  readonly fetch?: typeof fetch
  /** Milliseconds before a failed request is made again; twice as many before each further try. @default 500 */
  readonly retryDelay?: number
}

/**
 * The files of a repository: `gpt2`, `org/name`. A branch or tag is looked up first, with one request; when the
 * hub cannot be reached the cached commit is taken. A commit (40 digits) whose files are cached takes no request.
 * @throws ArgumentError for what is no repository id, revision or endpoint; FileError when there is no such repository
 *   or revision, it may not be read, or neither hub nor cache has it
 */
export async function hubSource(repoId: string, options: HubSourceOptions = {}): Promise<Source> {
  const { kind = 'model', revision = 'main', retryDelay = 500 } = options
  checkRepoId(repoId)
  checkRevision(revision)
  const settings = await hubSettings(options)
  const hub = { settings, kind, repoId, revision, fetch: options.fetch ?? fetch, retryDelay }
  const cache = await HubCache.of(settings.cacheDir, repoId, kind)
  const found = await resolve(hub, cache)
  return new HubSource(hub, cache, found, options.onProgress || undefined)
}

/** The rules of the hub for ids; they also keep an id from leading elsewhere in an address or in the cache. */
function checkRepoId(id: string): void {
  const parts = id.split('/')
  const sound = parts.length <= 2 && parts.every((part) => /^\w(?:[\w.-]*\w)?$/.test(part)) && id.length <= 96
  if (sound && !/--|\.\.|\.git$/.test(id)) return
  throw new ArgumentError(
    `hubSource: '${brief(id)}' is no repository id. 'org/name' of letters, digits, '-', '_' and '.' is needed.`,
  )
}

function checkRevision(revision: string): void {
  if (pathTrick(revision) === undefined && /^[\w./+@-]{1,200}$/.test(revision)) return
  throw new ArgumentError(`hubSource: '${brief(revision)}' is no revision. Name a branch, a tag or a commit.`)
}

/** What a revision stands for. */
interface Found {
  readonly commit: string
  /** All file names, when the hub was asked. */
  readonly files?: readonly string[]
  /** Why the hub is not to be asked again. */
  readonly offline?: string
}

async function resolve(hub: HubConnection, cache: HubCache): Promise<Found> {
  const { offline } = hub.settings
  const cached = isCommit(hub.revision) ? hub.revision : await cache.readRef(hub.revision)
  if (offline !== undefined) {
    if (cached !== undefined) return { commit: cached, offline }
    throw notCached(hub, cache, offline)
  }
  if (isCommit(hub.revision)) return { commit: hub.revision }
  try {
    return await lookUp(hub)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    if (cached !== undefined) return { commit: cached, offline: error.message }
    throw notCached(hub, cache, error.message, error)
  }
}

/** Asks the hub for the commit of the revision and the files it has. */
async function lookUp(hub: HubConnection): Promise<{ commit: string; files: readonly string[] }> {
  const { kind, repoId, revision, settings } = hub
  const doing = `open ${repoId}`
  const address = `${settings.endpoint}/api/${kind}s/${repoId}/revision/${encodeURIComponent(revision)}`
  const answer = await request(hub, `${address}?expand=sha&expand=siblings`, {}, doing)
  const { commit, files } = await readInfo(hub, answer)
  for (const file of files) {
    const trick = pathTrick(file)
    if (trick !== undefined) {
      throw new FileError(`${doing}: it lists a file '${brief(file)}' (${trick}). Plain names are needed.`)
    }
  }
  return { commit, files }
}

/** @throws FileError for an answer that no hub gives */
async function readInfo(hub: HubConnection, answer: Response): Promise<{ commit: string; files: string[] }> {
  const info: unknown = await answer.json().catch((error: unknown) => {
    throw noHub(hub, error)
  })
  if (!isJsonObject(info) || !isCommit(String(info['sha'])) || !Array.isArray(info['siblings'])) throw noHub(hub)
  const files = info['siblings'].map((each: unknown) => (isJsonObject(each) ? each['rfilename'] : undefined))
  if (!files.every((file) => typeof file === 'string')) throw noHub(hub)
  return { commit: String(info['sha']), files }
}

class HubSource implements Source {
  readonly #hub: HubConnection
  readonly #cache: HubCache
  readonly #onProgress: ((event: DownloadEvent) => void) | undefined
  readonly #commit: string
  #files: Promise<readonly string[] | undefined> | undefined
  #offline: string | undefined

  constructor(hub: HubConnection, cache: HubCache, found: Found, onProgress?: (event: DownloadEvent) => void) {
    this.#hub = hub
    this.#cache = cache
    this.#onProgress = onProgress
    this.#commit = found.commit
    this.#offline = found.offline
    if (found.files) this.#files = Promise.resolve(found.files)
  }

  get id(): string {
    return this.#hub.repoId + (this.#offline === undefined ? '' : ' (offline copy)')
  }

  get commit(): string {
    return this.#commit
  }

  async list(): Promise<string[]> {
    const files = await this.#listing()
    if (files) return files.filter((file) => !/(^|\/)\./.test(file)).sort()
    return (await this.#folder()).list()
  }

  async has(file: string): Promise<boolean> {
    this.#check(file, 'has')
    if (await this.#cache.has(this.#commit, file)) return true
    if (await this.#cache.knowsAbsence(this.#commit, file)) return false
    const files = await this.#listing()
    if (files?.includes(file)) return true
    if (files) await this.#cache.noteAbsence(this.#commit, file)
    return false
  }

  async open(file: string): Promise<RandomAccessFile> {
    return (await this.#with(file)).open(file)
  }

  async readText(file: string): Promise<string> {
    return (await this.#with(file)).readText(file)
  }

  async sha256(file: string): Promise<string> {
    return (await this.#with(file)).sha256(file)
  }

  #folder(): Promise<Source> {
    return folderSource(this.#cache.snapshot(this.#commit), this.id)
  }

  /** The cached files, this one among them. */
  async #with(file: string): Promise<Source> {
    this.#check(file, 'open')
    if (!(await this.#cache.has(this.#commit, file))) await this.#fetch(file)
    return this.#folder()
  }

  async #fetch(file: string): Promise<void> {
    const { repoId, revision } = this.#hub
    if (this.#offline !== undefined) throw notCached(this.#hub, this.#cache, this.#offline, undefined, file)
    const files = await this.#files
    if (files && !files.includes(file)) {
      const hint = didYouMean(file, files) || ` It holds ${fewNames(files)}.`
      throw new FileError(`open: '${repoId}' has no file '${file}'.${hint}`)
    }
    const events = downloadEvents(repoId, file, this.#onProgress)
    try {
      await fetchToCache(this.#hub, this.#cache, this.#commit, file, events.bytes)
    } catch (error) {
      if (error instanceof Unreachable) throw notCached(this.#hub, this.#cache, error.message, error, file)
      throw error
    }
    events.done()
    // Only now, as a reference to a commit without files would count as damage of the cache.
    await this.#cache.writeRef(revision, this.#commit)
  }

  /** All file names; undefined when the hub cannot be asked. */
  #listing(): Promise<readonly string[] | undefined> {
    if (this.#offline !== undefined) return Promise.resolve(undefined)
    return (this.#files ??= lookUp({ ...this.#hub, revision: this.#commit }).then(
      ({ files }) => files,
      (error: unknown) => {
        if (!(error instanceof Unreachable)) throw error
        this.#offline = error.message
        return undefined
      },
    ))
  }

  #check(file: string, verb: string): void {
    const trick = pathTrick(file)
    if (trick === undefined) return
    throw new FileError(`${verb}: '${brief(file)}' has ${trick}. A plain name of a file in '${this.id}' is needed.`)
  }
}

function noHub(hub: HubConnection, cause?: unknown): FileError {
  const what = `open ${hub.repoId}: ${hub.settings.endpoint} does not answer as a Hugging Face hub`
  return new FileError(`${what}. Check HF_ENDPOINT or endpoint.`, { cause })
}

function notCached(hub: HubConnection, cache: HubCache, why: string, cause?: unknown, file?: string): FileError {
  const what = file === undefined ? hub.repoId : `${hub.repoId}/${file}`
  return new FileError(
    `open ${what}: ${why}, and revision '${hub.revision}' of it is not in the cache (${cache.folder}). ` +
      'Load it once with the hub in reach, or name a folder that has it.',
    { cause },
  )
}
