/** Data as long rows, a stretch of them at a time: what CSV and Parquet files are written from. */
import type { JsonObject } from './json.js'
import type { Axis } from './init.js'

export type RowCell = string | number | null

export interface RowColumn {
  readonly name: string
  readonly type: 'text' | 'int32' | 'float32' | 'float64'
  /** Whether a cell may be null. @default false */
  readonly nullable?: boolean
  /** The cells of the rows from one to another, the second left out. */
  cells(from: number, to: number): RowCell[] | Float32Array
}

export interface Rows {
  readonly columns: readonly RowColumn[]
  readonly length: number
  /** What a file should hold beside the rows, `format` first. */
  readonly header: JsonObject
}

/** Rows held at once while they are written. */
export const stretch = 50_000

/** A column for each axis, its label of each value, row-major. */
export function axisColumns(axes: readonly Axis[]): RowColumn[] {
  let inner = axes.reduce((size, { labels }) => size * labels.length, 1)
  return axes.map(({ name, labels }) => {
    inner /= labels.length
    const run = inner
    const label = (offset: number) => labels[Math.floor(offset / run) % labels.length]!
    return { name, type: 'text', cells: (from, to) => Array.from({ length: to - from }, (_, i) => label(from + i)) }
  })
}

export function floatColumn(name: string, values: Float32Array): RowColumn {
  return { name, type: 'float32', cells: (from, to) => values.subarray(from, to) }
}

/** Columns of cells: whole numbers of 32 bits, numbers, or else text. */
export function cellColumns(names: readonly string[], rows: readonly (readonly RowCell[])[]): RowColumn[] {
  return names.map((name, column) => {
    const type = typeOf(rows, column)
    const cell = (row: readonly RowCell[]) => {
      const value = row[column]!
      return type === 'text' && value !== null ? String(value) : value
    }
    const nullable = rows.some((row) => row[column] === null)
    return { name, type, nullable, cells: (from, to) => rows.slice(from, to).map(cell) }
  })
}

function typeOf(rows: readonly (readonly RowCell[])[], column: number): RowColumn['type'] {
  const cells = rows.map((row) => row[column]!).filter((cell) => cell !== null)
  if (cells.length === 0 || cells.some((cell) => typeof cell === 'string')) return 'text'
  return cells.every((cell) => Object.is((cell as number) | 0, cell)) ? 'int32' : 'float64'
}

/** Row by row. */
export function* eachRow({ columns, length }: Rows): Generator<RowCell[]> {
  for (let from = 0; from < length; from += stretch) {
    const to = Math.min(length, from + stretch)
    const cells = columns.map((column) => column.cells(from, to))
    for (let row = 0; row < to - from; row++) yield cells.map((list) => list[row]!)
  }
}
