/** Tables to JSON and back. */
import { z } from 'zod'
import { FileError } from '../../errors/errors.js'
import type { JsonObject } from '../result/json.js'
import { readSaved, savedSchema } from '../result/saved.js'
import type { Cell, Column, TableOptions } from './table.js'

export const tableFormat = 'tfjs-lens-table'

interface TableParts extends TableOptions {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
}

/** See `Table.toJSON`. */
export function tableJson({ columns, rows, title, note }: TableParts): JsonObject {
  const cell = (value: Cell) =>
    typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value
  const plain = columns.map(({ format, ...column }) => ({ ...column, ...(format && { format: { ...format } }) }))
  return { format: tableFormat, version: 1, columns: plain, rows: rows.map((row) => row.map(cell)), title, note }
}

const named = z.object({ number: z.enum(['NaN', 'Infinity', '-Infinity']) }).transform(({ number }) => Number(number))
const schema = savedSchema(tableFormat, {
  columns: z.array(
    z.object({
      name: z.string(),
      align: z.enum(['left', 'right']).optional(),
      format: z.object({ digits: z.int().min(0).max(100), exponent: z.boolean() }).optional(),
    }),
  ),
  rows: z.array(z.array(z.union([z.string(), z.number(), z.null(), named]))),
  title: z.string().optional(),
  note: z.string().optional(),
})

/** What a table is made of, read from what `tableJson` wrote. @throws FileError */
export function readTable(value: unknown): TableParts {
  const table = readSaved('Table', schema, value)
  const { length } = table.columns
  if (length === 0) throw new FileError('fromJSON: there are no columns. A table has at least one.')
  const wrong = table.rows.findIndex((row) => row.length !== length)
  if (wrong < 0) return table
  throw new FileError(`fromJSON: row ${wrong} has ${table.rows[wrong]!.length} cells. It must have ${length}, one a column.`) // prettier-ignore
}
