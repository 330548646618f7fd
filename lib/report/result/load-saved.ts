/** Reading saved results: a file to the class that wrote it, by the `format` it names. */
import { open, readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { FileError, LensError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { isJsonObject, parseJson } from '../../files/json-file.js'
import { brief, fewNames } from '../../errors/brief.js'
import { readParquetRows } from './parquet.js'
import { checkResultHeader } from './result-json.js'
import { Result } from './result.js'
import type { SavedKind } from './saved.js'

/** JSON nested deeper than this is none of ours. */
const deepest = 100

/**
 * What a `.json` or `.parquet` file holds, as an instance of one of the kinds.
 * @throws FileError when the file is missing, damaged, or holds none of them
 */
export async function loadSaved(path: string, kinds: readonly SavedKind<unknown>[]): Promise<unknown> {
  const doing = `loadResult: ${brief(path)}`
  if (extname(path).toLowerCase() === '.csv') {
    throw new FileError(`${doing}: CSV holds the values alone. Load the .json or .parquet file of the result.`)
  }
  if (await isParquet(path, doing)) return loadParquet(path, kinds, doing)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => Promise.reject(unreadable(doing, cause)))
  const value = parseJson(text, doing)
  checkTree(value, doing)
  return revive(value, kinds, doing)
}

/**
 * An instance of the kind whose format the JSON names.
 * @throws FileError when it names none, or is not what that kind writes
 */
export function revive(value: unknown, kinds: readonly SavedKind<unknown>[], doing: string): unknown {
  const formats = kinds.map((kind) => kind.format)
  const format = isJsonObject(value) ? value['format'] : undefined
  if (typeof format !== 'string') {
    throw new FileError(`${doing}: the JSON has no field 'format'. It must be a file that a result's write made.`)
  }
  const kind = kinds.find((each) => each.format === format)
  if (!kind) {
    const hint = didYouMean(brief(format), formats)
    throw new FileError(
      `${doing}: no result has the format '${brief(format)}'.${hint} Known are ${fewNames(formats, formats.length)}; a class of your own is given as the second argument.`,
    )
  }
  return explained(doing, () => kind.fromJSON(value, kinds))
}

/** The value with what is saved in it, at any depth, as instances; the rest stays plain. @throws FileError */
export function reviveWithin(value: unknown, kinds: readonly SavedKind<unknown>[], doing: string): unknown {
  if (Array.isArray(value)) return value.map((each) => reviveWithin(each, kinds, doing))
  if (!isJsonObject(value)) return value
  if (kinds.some((kind) => kind.format === value['format'])) return revive(value, kinds, doing)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, reviveWithin(each, kinds, doing)]))
}

/** The errors of `fromJSON` as those of the file. */
function explained<T>(doing: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof LensError)) throw cause
    throw new FileError(cause.message.replace(/^\w+:/, `${doing}:`), { cause })
  }
}

async function loadParquet(path: string, kinds: readonly SavedKind<unknown>[], doing: string): Promise<unknown> {
  const { header, length, floats } = await readParquetRows(path, doing)
  const format = isJsonObject(header) ? header['format'] : undefined
  const kind = kinds.find((each) => each.format === format)
  if (!isJsonObject(header) || !isResultClass(kind)) {
    throw new FileError(
      `${doing}: the Parquet file holds rows of a '${brief(format)}', not all of it. Load its .json file; only a Result reloads from Parquet.`,
    )
  }
  checkTree(header, doing)
  explained(doing, () => checkResultHeader(header, length, kind)) // before values are read for it
  const values = await floats('value')
  return explained(doing, () => kind.fromJSON({ ...header, values }))
}

/** Whether a kind is `Result` or a class of it: of these, Parquet files hold everything. */
function isResultClass(kind: SavedKind<unknown> | undefined): kind is typeof Result {
  return (kind as unknown) === Result || Object.prototype.isPrototypeOf.call(Result, kind ?? {})
}

async function isParquet(path: string, doing: string): Promise<boolean> {
  try {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
      return bytesRead === 4 && buffer.toString('latin1') === 'PAR1'
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw unreadable(doing, cause)
  }
}

function unreadable(doing: string, cause: unknown): FileError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FileError(`${doing}: cannot be read (${brief(reason)}). Name a file that a result's write made.`, {
    cause,
  })
}

/** @throws FileError for what no result holds: deep nesting, and keys that would set a prototype */
function checkTree(value: unknown, doing: string, depth = 0): void {
  if (typeof value !== 'object' || value === null) return
  if (depth > deepest) throw new FileError(`${doing}: more than ${deepest} levels of nesting. Results have a few.`)
  if (Object.hasOwn(value, '__proto__')) {
    throw new FileError(`${doing}: an object has the key '__proto__'. No result has such a key.`)
  }
  for (const each of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
    if (typeof each === 'object') checkTree(each, doing, depth + 1)
  }
}
