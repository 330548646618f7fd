/** Comma-separated values, written as in RFC 4180. */

/**
 * Rows as CSV text: CRLF after each row, fields quoted where they hold a comma, a quote, a line break or outer spaces.
 * Numbers keep all their digits (NaN and Infinity by name); null is an empty field.
 */
export function csvText(rows: Iterable<readonly (string | number | null)[]>): string {
  let text = ''
  for (const row of rows) text += `${row.map(field).join(',')}\r\n`
  return text
}

function field(value: string | number | null): string {
  const text = value === null ? '' : String(value)
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
