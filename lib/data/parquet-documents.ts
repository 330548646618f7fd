/** Documents of a Parquet file: one column, one row group after the other. */
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import { FileError } from '../errors/errors.js'
import type { RandomAccessFile } from '../weights/source.js'
import { brief } from '../errors/brief.js'
import { chooseColumn } from './document-column.js'
import { asDocument, type FileDocuments } from './documents.js'

/** Bytes read from the end of a file at first, where it says what is where. */
const FOOT = 2 ** 16

/** Documents of one column. Holds one row group; row groups before document `skip` are not read. */
export async function* readParquet(file: RandomAccessFile, skip: number, column: string | undefined): FileDocuments {
  // packages of forty files, for those who read Parquet
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const buffer = asyncBuffer(file)
  const metadata = await explained(file, () => parquetMetadataAsync(buffer, { initialFetchSize: FOOT }))
  const columns = parquetSchema(metadata).children.map((child) => child.element.name)
  const name = chooseColumn(columns, column, `read ${file.name}`)
  let begin = 0
  for (const rows of rowCounts(file, metadata)) {
    const end = begin + rows
    const rowStart = Math.max(begin, skip)
    if (rowStart < end) {
      const read = { file: buffer, metadata, columns: [name], rowStart, rowEnd: end, compressors }
      const records = await explained(file, () => parquetReadObjects(read))
      if (records.length !== end - rowStart)
        throw damaged(file, `${records.length} rows where ${end - rowStart} are promised`)
      for (const [i, record] of records.entries()) {
        yield asDocument(record[name] ?? null, name, `read ${file.name}, row ${rowStart + i}`)
      }
    }
    begin = end
  }
  return begin
}

function rowCounts(file: RandomAccessFile, { row_groups: groups }: FileMetaData): number[] {
  const counts = groups.map((group) => Number(group.num_rows))
  const odd = counts.find((count) => !Number.isSafeInteger(count) || count < 0)
  if (odd !== undefined) throw damaged(file, `a row group of ${odd} rows`)
  return counts
}

function asyncBuffer(file: RandomAccessFile): AsyncBuffer {
  return {
    byteLength: file.size,
    slice: async (start, end = file.size) => {
      const [from, to] = [start < 0 ? file.size + start : start, end < 0 ? file.size + end : end]
      return (await file.read(from, to - from)).buffer
    },
  }
}

/** Runs a step of the reader, whose errors become ours. */
async function explained<T>(file: RandomAccessFile, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    throw damaged(file, brief(error instanceof Error ? error.message : String(error)), error)
  }
}

function damaged(file: RandomAccessFile, what: string, cause?: unknown): FileError {
  return new FileError(`read ${file.name}: not a sound Parquet file (${what}). It is damaged or truncated.`, { cause })
}
