/** Rows as a Parquet file, row group by row group, and one column of such a file back. */
import type { SchemaElement } from 'hyparquet'
import type { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { ArgumentError, FileError } from '../../errors/errors.js'
import { brief } from '../../errors/brief.js'
import { parseJson } from '../../files/json-file.js'
import { libraryVersion } from './provenance.js'
import { stretch, type RowColumn, type Rows } from './rows.js'

/** Where the file's metadata hold what the rows do not. */
const key = 'tfjs-lens'

/**
 * The file's bytes in pieces, of which one row group is held at a time. Columns are strings (dictionaries of labels),
 * 32-bit integers, floats and doubles; `rows.header` is JSON in the metadata under 'tfjs-lens'.
 * @throws ArgumentError when two columns have one name
 */
export async function parquetPieces(rows: Rows): Promise<Iterable<Uint8Array>> {
  const names = rows.columns.map(({ name }) => name)
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  if (repeated !== undefined) {
    throw new ArgumentError(
      `write: two columns are named '${repeated}'. Parquet needs a name for each; write .csv or .json, or name them apart.`,
    )
  }
  const writing = await import('hyparquet-writer')
  return pieces(rows, new writing.ByteWriter(), writing.ParquetWriter)
}

function* pieces(rows: Rows, bytes: ByteWriter, Writer: typeof ParquetWriter): Generator<Uint8Array> {
  const file = new Writer({
    writer: bytes,
    schema: [{ name: 'schema', num_children: rows.columns.length }, ...rows.columns.map(element)],
    kvMetadata: [{ key, value: JSON.stringify(rows.header) }],
    createdBy: `tfjs-lens version ${libraryVersion}`,
  })
  const taken = () => {
    const piece = bytes.getBytes().slice()
    bytes.index = 0
    return piece
  }
  for (let from = 0; from < rows.length; from += stretch) {
    const to = Math.min(rows.length, from + stretch)
    const columnData = rows.columns.map(({ name, type, cells }) => ({
      name,
      data: cells(from, to),
      ...(type === 'text' ? {} : { encoding: 'PLAIN' as const }), // a dictionary would make -0 of a 0
    }))
    void file.write({ columnData, rowGroupSize: to - from }) // at once: only files flush later
    yield taken()
  }
  void file.finish()
  yield taken()
}

function element({ name, type, nullable }: RowColumn): SchemaElement {
  const kinds = { text: 'BYTE_ARRAY', int32: 'INT32', float32: 'FLOAT', float64: 'DOUBLE' } as const
  return {
    name,
    type: kinds[type],
    repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED',
    ...(type === 'text' ? { converted_type: 'UTF8' } : {}),
  }
}

/** A Parquet file that was written here. */
export interface SavedRows {
  readonly header: unknown
  readonly length: number
  /** A column of floats, read a row group at a time. @throws FileError when it is missing, or holds something else */
  floats(column: string): Promise<Float32Array>
}

/** @throws FileError when it is no sound Parquet file, or none of ours */
export async function readParquetRows(path: string, doing: string): Promise<SavedRows> {
  const damaged = (cause: unknown) => {
    const what = brief(cause instanceof Error ? cause.message : String(cause))
    return new FileError(`${doing}: not a sound Parquet file (${what}). It is damaged or truncated.`, { cause })
  }
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet')
  const opened = async () => {
    const file = await asyncBufferFromFile(path)
    return { file, metadata: await parquetMetadataAsync(file) }
  }
  const { file, metadata } = await opened().catch((cause: unknown) => Promise.reject(damaged(cause)))
  const text = metadata.key_value_metadata?.find((entry) => entry.key === key)?.value
  if (text === undefined) {
    throw new FileError(`${doing}: the Parquet file holds no result. It must be one that Result.write made.`)
  }
  const length = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0)
  const floats = async (column: string): Promise<Float32Array> => {
    const values = new Float32Array(length)
    let from = 0
    for (const group of metadata.row_groups) {
      const to = from + Number(group.num_rows)
      const read = { file, metadata, columns: [column], rowStart: from, rowEnd: to }
      const records = await parquetReadObjects(read).catch((cause: unknown) => Promise.reject(damaged(cause)))
      if (records.length !== to - from || records.some((record) => typeof record[column] !== 'number')) {
        throw damaged(`column '${column}' has not ${to - from} numbers in rows ${from} to ${to}`)
      }
      values.set(records.map((record) => record[column] as number), from) // prettier-ignore
      from = to
    }
    return values
  }
  return { header: parseJson(text, doing), length, floats }
}
