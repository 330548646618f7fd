/** A table to be printed in the terminal, put in a page or saved as CSV. */
import { bold, dim } from 'ansis'
import CliTable from 'cli-table3'
import { ArgumentError, ShapeError } from '../../errors/errors.js'
import { csvOf } from '../result/csv.js'
import type { JsonObject } from '../result/json.js'
import { formatFor, formatNumber, type NumberFormat } from './number-text.js'
import { cellColumns, type Rows } from '../result/rows.js'
import { readTable, tableFormat, tableJson } from './table-json.js'
import { escapeHtml, visibleControls } from './token-text.js'
import { writeResult } from '../result/write-result.js'

export type Cell = string | number | null

export interface Column {
  readonly name: string
  /** @default right for a column that holds numbers, else left */
  readonly align?: 'left' | 'right'
  /** How its numbers are written. @default as many decimals as show four digits of the largest */
  readonly format?: NumberFormat
}

export interface TableOptions {
  readonly title?: string
  /** A line below the table. */
  readonly note?: string
}

export class Table {
  static readonly format = tableFormat
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
  readonly title: string | undefined
  readonly note: string | undefined

  /**
   * Columns given by name alone take the defaults of `Column`.
   * @throws ArgumentError of no columns, ShapeError when a row has not one cell a column.
   */
  constructor(columns: readonly (string | Column)[], rows: readonly (readonly Cell[])[], options: TableOptions = {}) {
    if (columns.length === 0) throw new ArgumentError('Table: there are no columns. It needs at least one.')
    const wrong = rows.findIndex((row) => row.length !== columns.length)
    if (wrong >= 0) {
      const cells = rows[wrong]!.length
      throw new ShapeError(`Table: row ${wrong} has ${cells} cells. It must have ${columns.length}, one a column.`)
    }
    this.columns = columns.map((column) => (typeof column === 'string' ? { name: column } : column))
    this.rows = rows
    this.title = options.title
    this.note = options.note
  }

  /** The table in box-drawing characters; colours only where the terminal takes them (NO_COLOR is honoured). */
  toString(): string {
    const table = new CliTable({
      head: this.columns.map((column) => bold(visibleControls(column.name))),
      colAligns: this.columns.map((_, column) => this.#align(column)),
      style: { head: [], border: [], compact: true }, // no colours of cli-table3: they ignore NO_COLOR
    })
    table.push(...this.#text().map((row) => row.map(visibleControls)))
    const title = this.title === undefined ? [] : [bold(visibleControls(this.title))]
    const note = this.note === undefined ? [] : [dim(visibleControls(this.note))]
    return [...title, table.toString(), ...note].join('\n')
  }

  /** Writes the table to stdout. */
  print(): void {
    console.log(this.toString())
  }

  /** Names of the columns, then the rows, with all digits. */
  toCsv(): string {
    return csvOf(this.toRows())
  }

  /** The rows of CSV and Parquet files. */
  toRows(): Rows {
    const columns = cellColumns(this.columns.map(({ name }) => name), this.rows) // prettier-ignore
    return { columns, length: this.rows.length, header: { format: tableFormat } }
  }

  /** Writes the table to a file, by its name: `.json`, which reloads, `.csv` or `.parquet`. Throws as `writeResult`. */
  async write(path: string): Promise<void> {
    await writeResult(path, this)
  }

  /** Plain JSON; a number that is not finite becomes `{ number: 'NaN' }`, as null is an empty cell. */
  toJSON(): JsonObject {
    return tableJson(this)
  }

  /** The table that `toJSON` was called on. @throws FileError when the value is no such JSON. */
  static fromJSON(value: unknown): Table {
    const { columns, rows, title, note } = readTable(value)
    return new Table(columns, rows, { title, note })
  }

  /** A <table>, all text escaped; numbers have the class "number". */
  toHtml(): string {
    const attributes = this.columns.map((_, column) => (this.#align(column) === 'right' ? ' class="number"' : ''))
    const head = this.columns.map(({ name }, i) => `<th scope="col"${attributes[i]}>${htmlText(name)}</th>`)
    const rows = this.#text().map(
      (row) => `<tr>${row.map((cell, i) => bodyCell(cell, i, attributes[i]!)).join('')}</tr>`,
    )
    const caption = this.title === undefined ? '' : `<caption>${htmlText(this.title)}</caption>`
    const table = `<table>${caption}<thead><tr>${head.join('')}</tr></thead>\n<tbody>${rows.join('\n')}</tbody></table>`
    return this.note === undefined ? table : `${table}<p class="note">${htmlText(this.note)}</p>`
  }

  /** What Node prints for the table, in the REPL and in console.log. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  #align(column: number): 'left' | 'right' {
    const holdsNumbers = this.rows.some((row) => typeof row[column] === 'number')
    return this.columns[column]!.align ?? (holdsNumbers ? 'right' : 'left')
  }

  /** The cells as text, the numbers of a column in one format; null as a dash. */
  #text(): string[][] {
    const numbers = (column: number) => this.rows.map((row) => row[column]).filter((cell) => typeof cell === 'number')
    const formats = this.columns.map(({ format }, column) => format ?? formatFor(numbers(column)))
    const text = (cell: Cell, column: number) =>
      typeof cell === 'number' ? formatNumber(cell, formats[column]!) : (cell ?? '–')
    return this.rows.map((row) => row.map(text))
  }
}

/** The first cell of a row names it. */
function bodyCell(text: string, column: number, attributes: string): string {
  const tag = column === 0 ? 'th' : 'td'
  return `<${tag}${column === 0 ? ' scope="row"' : ''}${attributes}>${htmlText(text)}</${tag}>`
}

function htmlText(text: string): string {
  return escapeHtml(visibleControls(text))
}
