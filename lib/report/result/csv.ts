/** Comma-separated values, written as in RFC 4180. */
import { eachRow, type Rows } from './rows.js'

/**
 * The names of the columns and the rows as CSV text: CRLF after each row, fields quoted where they hold a comma, a quote,
 * a line break or outer spaces. Numbers keep all their digits (NaN and Infinity by name); null is an empty field.
 */
export function csvOf(rows: Rows): string {
  return [...csvPieces(rows)].join('')
}

/** The same in pieces of about a megabyte. */
export function* csvPieces(rows: Rows): Generator<string> {
  let text = line(rows.columns.map(({ name }) => name))
  for (const row of eachRow(rows)) {
    text += line(row)
    if (text.length < 1e6) continue
    yield text
    text = ''
  }
  yield text
}

function line(row: readonly (string | number | null)[]): string {
  return `${row.map(field).join(',')}\r\n`
}

function field(value: string | number | null): string {
  const text = value === null ? '' : String(value)
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
