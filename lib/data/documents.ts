/** Documents one after the other, from whatever they lie in: the first step from a file to tokens. */
import { TokenError } from '../errors/errors.js'

/** A text, or the ids of one that was tokenized before. */
export type Document = string | readonly number[]

/** Documents in a fixed order, each with a number, from 0. */
export interface Documents {
  /** Documents from number `from` on. Those before it are passed over without being decoded. */
  read(from: number): AsyncIterable<Document>
}

/** Documents of one file from number `skip` of it on; returns how many the file has (at least `skip` if fewer). */
export type FileDocuments = AsyncGenerator<Document, number>

/** Documents held in memory. */
export function listDocuments(list: readonly Document[]): Documents {
  return {
    async *read(from) {
      yield* list.slice(from)
    },
  }
}

/** The documents of several files, one file after the other; `open` starts one from a document of it on. */
export function fileDocuments(
  files: readonly string[],
  open: (file: string, skip: number) => FileDocuments,
): Documents {
  return {
    async *read(from) {
      let skip = from
      for (const file of files) skip = Math.max(0, skip - (yield* open(file, skip)))
    },
  }
}

/** What a column holds in one row: a text, ids, or nothing (null), which counts as an empty text. */
export function asDocument(value: unknown, column: string, place: string): Document {
  if (typeof value === 'string') return value
  if (value === null) return ''
  const ids = idsOf(value)
  if (ids) return ids
  throw new TokenError(
    `${place}: column '${column}' holds ${shown(value)}. A text or a list of token ids (whole numbers) is needed.`,
  )
}

/** Numbers of any kind that Parquet and JSON have for integers, or undefined. */
function idsOf(value: unknown): number[] | undefined {
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
  if (!isList) return undefined
  const ids = Array.from(value as ArrayLike<unknown>, (id) => (typeof id === 'bigint' ? Number(id) : id))
  return ids.every((id) => Number.isSafeInteger(id)) ? (ids as number[]) : undefined
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list of other things than whole numbers'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
