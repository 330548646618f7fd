/** A file's bytes, read in chunks and cut at a separator: lines, or documents with a mark between them. */
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { FileError } from '../errors/errors.js'
import type { RandomAccessFile } from '../weights/source.js'

/** Bytes read at a time. */
const CHUNK = 2 ** 20
/** The largest piece (bytes): a file without separators must not fill the memory. */
const MAX_PIECE = 256 * 2 ** 20

/** The bytes of a file in chunks; of a `.gz` file what it unpacks to. @throws FileError where it is damaged */
export async function* byteChunks(file: RandomAccessFile): AsyncGenerator<Uint8Array> {
  if (!file.name.endsWith('.gz')) return yield* storedChunks(file)
  const gunzip = createGunzip()
  pipeline(Readable.from(storedChunks(file)), gunzip, () => undefined) // its error comes out of gunzip too
  try {
    yield* gunzip as AsyncIterable<Uint8Array>
  } catch (error) {
    if (error instanceof FileError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new FileError(`read ${file.name}: it does not unpack (${reason}). It is damaged or truncated.`, {
      cause: error,
    })
  }
}

async function* storedChunks(file: RandomAccessFile): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.size; at += CHUNK) yield file.read(at, Math.min(CHUNK, file.size - at))
}

/** The pieces between separators; what comes after the last one is a piece too, unless it is empty. */
export async function* bytePieces(file: RandomAccessFile, separator: Uint8Array): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of byteChunks(file)) {
    // the separator may begin in the last chunk; what lies before that was searched already
    let search = Math.max(0, rest.length - separator.length + 1)
    rest = rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([rest, chunk])
    let begin = 0
    for (let end = rest.indexOf(separator, search); end >= 0; end = rest.indexOf(separator, search)) {
      yield rest.subarray(begin, end)
      begin = search = end + separator.length
    }
    rest = rest.subarray(begin)
    if (rest.length > MAX_PIECE) {
      throw new FileError(
        `read ${file.name}: ${rest.length} bytes without a separator. Pieces of up to ${MAX_PIECE} bytes are read.`,
      )
    }
  }
  if (rest.length > 0) yield rest
}

/** Bytes as text. @throws FileError that opens with `place` where they are not UTF-8 */
export function utf8(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new FileError(`${place}: it is not UTF-8 text. Is it a text file?`, { cause: error })
  }
}

/** Whether there is nothing but spaces, tabs and line ends. */
export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))
}
