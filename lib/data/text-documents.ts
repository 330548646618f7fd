/** Documents of a text file: the whole file is one, or there is a separator between them. */
import type { RandomAccessFile } from '../weights/source.js'
import { bytePieces, isBlank, utf8 } from './byte-pieces.js'
import type { FileDocuments } from './documents.js'

/** Documents between separators. Blank ones are left out. A file without a separator may have up to 256 MiB. */
export async function* readTextFile(
  file: RandomAccessFile,
  skip: number,
  separator: string | undefined,
): FileDocuments {
  const mark = separator === undefined ? undefined : new TextEncoder().encode(separator)
  let count = 0
  for await (const piece of mark === undefined ? whole(file) : bytePieces(file, mark)) {
    if (!isBlank(piece) && count++ >= skip) yield utf8(piece, `read ${file.name}`)
  }
  return count
}

async function* whole(file: RandomAccessFile): AsyncGenerator<Uint8Array> {
  // a piece whose separator never comes; UTF-8 has no byte 255
  yield* bytePieces(file, Uint8Array.of(255, 255, 255, 255))
}
