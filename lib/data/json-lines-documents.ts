/** Documents of a JSON Lines file: one object a line, the text or the ids in one of its columns. */
import { FileError } from '../errors/errors.js'
import { isJsonObject, parseJson } from '../files/json-file.js'
import type { RandomAccessFile } from '../weights/source.js'
import { brief } from '../errors/brief.js'
import { bytePieces, isBlank, utf8 } from './byte-pieces.js'
import { chooseColumn } from './document-column.js'
import { asDocument, type FileDocuments } from './documents.js'

const lineEnd = Uint8Array.of(0x0a)

/**
 * Documents, one a line. Blank lines are left out. Lines before document `skip` are not parsed. Faults are named by
 * file and line.
 */
export async function* readJsonLines(file: RandomAccessFile, skip: number, column: string | undefined): FileDocuments {
  let [line, count] = [0, 0]
  for await (const bytes of bytePieces(file, lineEnd)) {
    line++
    if (isBlank(bytes) || count++ < skip) continue
    const place = `read ${file.name}, line ${line}`
    const record = parseJson(utf8(bytes, place), place)
    if (!isJsonObject(record)) {
      throw new FileError(`${place}: it is ${brief(record)}. An object with a text in it, '{"text": …}', is needed.`)
    }
    const name = chooseColumn(Object.keys(record), column, place)
    yield asDocument(record[name], name, place)
  }
  return count
}
