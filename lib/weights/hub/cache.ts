/**
 * The cache that is shared with Python's huggingface_hub: `models--org--name/` or `datasets--org--name/` with blobs/ (files by their hash),
 * snapshots/<commit>/ (links to them by name), refs/<revision> (its commit) and .no_exist/<commit>/ (known absences).
 * Everything appears in it at once, by renaming.
 */
import { lstat, mkdir, copyFile, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { threadId } from 'node:worker_threads'
import { FileError } from '../../errors/errors.js'

let written = 0

/** A commit of a repository: 40 hexadecimal digits. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text)
}

export type RepositoryKind = 'model' | 'dataset'

/** One repository in the cache. */
export class HubCache {
  /** The repository's folder. */
  readonly folder: string

  /** @param folder of the repository */
  constructor(folder: string) {
    this.folder = folder
  }

  /** The repository's part of a cache. The hub's package is loaded where the hub is used: it has many files. */
  static async of(cacheDir: string, repoId: string, kind: RepositoryKind): Promise<HubCache> {
    const { getRepoFolderName } = await import('@huggingface/hub')
    return new HubCache(path.join(cacheDir, getRepoFolderName({ type: kind, name: repoId })))
  }

  snapshot(commit: string): string {
    return path.join(this.folder, 'snapshots', commit)
  }

  blob(etag: string): string {
    return path.join(this.folder, 'blobs', etag)
  }

  /** The commit that a branch or tag had when it was last looked up. */
  async readRef(revision: string): Promise<string | undefined> {
    const text = await readFile(this.#ref(revision), 'utf8').catch(() => '')
    return isCommit(text.trim()) ? text.trim() : undefined
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.readRef(revision)) === commit) return
    await this.#appear(this.#ref(revision), (file) => writeFile(file, commit))
  }

  has(commit: string, file: string): Promise<boolean> {
    return isFile(path.join(this.snapshot(commit), file))
  }

  /** Whether an earlier look-up found that the commit has no such file. */
  knowsAbsence(commit: string, file: string): Promise<boolean> {
    return isFile(this.#absence(commit, file))
  }

  async noteAbsence(commit: string, file: string): Promise<void> {
    // A repository folder without a snapshot would count as damaged.
    if (!(await isThere(this.snapshot(commit))) || (await this.knowsAbsence(commit, file))) return
    await this.#appear(this.#absence(commit, file), (place) => writeFile(place, '')).catch((error: FileError) => {
      // where a note on a file and one on a folder of that name meet, the second is left out
      const { code = '' } = (error.cause ?? {}) as NodeJS.ErrnoException
      if (!['EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY'].includes(code)) throw error
    })
  }

  /** Shows a blob under its file name in a snapshot. */
  async link(commit: string, file: string, etag: string): Promise<void> {
    const place = path.join(this.snapshot(commit), file)
    const target = path.relative(path.dirname(place), this.blob(etag))
    await this.#appear(place, async (link) => {
      // Windows allows links to some users only.
      await symlink(target, link).catch(() => copyFile(this.blob(etag), link))
    })
  }

  #ref(revision: string): string {
    return path.join(this.folder, 'refs', revision)
  }

  #absence(commit: string, file: string): string {
    return path.join(this.folder, '.no_exist', commit, file)
  }

  /** Makes a file beside its place and moves it there, so that nobody sees half of it. */
  #appear(place: string, make: (file: string) => Promise<void>): Promise<void> {
    return inCache(`write ${place}`, async () => {
      await mkdir(path.dirname(place), { recursive: true })
      const beside = `${place}.${process.pid}-${threadId}-${written++}.incomplete`
      try {
        await make(beside)
        await rename(beside, place)
      } finally {
        await rm(beside, { force: true })
      }
    })
  }
}

/** Runs a change of the cache; the system's error becomes a FileError that says what was being done. */
export async function inCache<T>(doing: string, change: () => Promise<T>): Promise<T> {
  try {
    return await change()
  } catch (error) {
    if (error instanceof FileError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new FileError(
      `${doing}: ${reason}. A cache that can be written to is needed: set HF_HUB_CACHE or cacheDir to another folder.`,
      { cause: error },
    )
  }
}

/** Whether a file or a folder is there, and not just a link to something that is gone. */
async function isThere(place: string): Promise<boolean> {
  return stat(place).then(
    () => true,
    () => false,
  )
}

/** The same of a file alone. */
async function isFile(place: string): Promise<boolean> {
  return stat(place).then(
    (info) => info.isFile(),
    () => false,
  )
}

/** Bytes of a blob, or undefined when there is none. */
export async function blobSize(blob: string): Promise<number | undefined> {
  return lstat(blob).then(
    (info) => (info.isFile() ? info.size : undefined),
    () => undefined,
  )
}
