/** Writing files so that a reader never sees half of one. */
import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FileError } from '../errors/errors.js'

/**
 * Writes the file whole or not at all: to a temporary file beside it, renamed when complete. Folders are made; a file
 * of that name is replaced. Content in pieces is written piece by piece, never joined in memory.
 * @throws FileError when it cannot be written; nothing is left behind then.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array | string>,
): Promise<void> {
  const temporary = join(dirname(path), `.${randomUUID()}.tmp`)
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(temporary, content)
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined) // the error that matters is the first one
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FileError(`write: cannot write '${path}' (${reason}). Name a file in a folder you can write to.`, {
      cause,
    })
  }
}
