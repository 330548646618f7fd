/** Results as files: JSON that reloads, CSV and Parquet for other programs. */
import { extname } from 'node:path'
import { ArgumentError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { csvPieces } from './csv.js'
import { writeFileAtomic } from '../../files/write-atomic.js'
import { parquetPieces } from './parquet.js'
import type { Rows } from './rows.js'
import type { Savable } from './saved.js'

const endings = ['.json', '.csv', '.parquet']

/**
 * Writes a result whole or not at all, in the form its name ends in: `.json` (all of it), `.csv` or `.parquet` (a row a
 * value). CSV and Parquet are written a stretch of rows at a time.
 * @throws ArgumentError of another ending, FileError when the file cannot be written
 */
export async function writeResult(path: string, result: Savable): Promise<void> {
  const ending = extname(path).toLowerCase()
  if (!endings.includes(ending)) {
    const hint = didYouMean(ending, endings)
    throw new ArgumentError(
      `write: '${path}' does not end in ${endings.slice(0, 2).join(', ')} or ${endings[2]}.${hint} Name such a file.`,
    )
  }
  if (ending === '.json') return writeFileAtomic(path, jsonText(path, result))
  const rows = rowsOf(path, result)
  await writeFileAtomic(path, ending === '.csv' ? csvPieces(rows) : await parquetPieces(rows))
}

function rowsOf(path: string, result: Savable): Rows {
  if (result.toRows) return result.toRows()
  throw new ArgumentError(`write: what is to be '${path}' is no one table. Write it as .json, or its parts.`)
}

function jsonText(path: string, result: Savable): string {
  try {
    return JSON.stringify(result)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new ArgumentError(`write: the JSON of '${path}' is longer than a text can be. Write .parquet.`, { cause })
  }
}
