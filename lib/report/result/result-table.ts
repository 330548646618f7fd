/** Results as tables that fit a terminal. */
import { formatFor, type NumberFormat } from '../table/number-text.js'
import type { Axis, ResultInit } from './init.js'
import { Table, type Cell, type Column } from '../table/table.js'
import { shorten, visibleToken } from '../table/token-text.js'

/** Columns a table may have beside that of the labels. */
const widest = 12
/** Characters of a column's head: prompts are longer. */
const widestHead = 24

/** See `Result.toTable`. */
export function resultTable(result: ResultInit, options: { limit?: number; digits?: number }): Table {
  const { limit = 20, digits } = options
  const format = digits === undefined ? formatFor(result.values) : { digits, exponent: false }
  const ofColumn = digits === undefined && result.axes[1]?.name === 'quantity' ? undefined : format
  const { columns, rows } = asMatrix(result, ofColumn) ?? asList(result, format)
  const note = rows.length > limit ? `… and ${rows.length - limit} more rows` : undefined
  const unit = result.unit ? ` (${result.unit})` : ''
  return new Table(columns, rows.slice(0, limit), { title: `${result.title}${unit}`, note })
}

interface Content {
  readonly columns: Column[]
  readonly rows: Cell[][]
}

/**
 * Two axes of which one is short: the short one along the top.
 * @param format of all columns @default each column its own, as of quantities in several units
 */
function asMatrix({ axes, values }: ResultInit, format: NumberFormat | undefined): Content | undefined {
  const [first, second] = axes
  if (axes.length !== 2 || !first || !second) return undefined
  const [height, width] = [first.labels.length, second.labels.length]
  const [down, across] = width <= widest ? [first, second] : [second, first]
  if (across.labels.length > widest) return undefined
  const value = (row: number, column: number) =>
    down === first ? values[row * width + column]! : values[column * width + row]!
  const head = (label: string) => shorten(visibleToken(label), widestHead)
  const heads = across.labels.map((label): Column => ({ name: head(label), align: 'right', ...(format && { format }) }))
  const rows = down.labels.map((label, row) => [
    visibleToken(label),
    ...Array.from({ length: down === first ? width : height }, (_, column) => value(row, column)),
  ])
  return { columns: [{ name: `${down.name} \\ ${across.name}` }, ...heads], rows }
}

/** A row a value, its labels before it. */
function asList({ axes, values }: ResultInit, format: NumberFormat): Content {
  const columns: Column[] = [...axes.map(({ name }) => ({ name })), { name: 'value', align: 'right', format }]
  const rows = Array.from(values, (value, offset) => [...labelsAt(axes, offset), value])
  return { columns, rows }
}

function labelsAt(axes: readonly Axis[], offset: number): string[] {
  const labels: string[] = []
  for (const axis of [...axes].reverse()) {
    labels.unshift(visibleToken(axis.labels[offset % axis.labels.length]!))
    offset = Math.floor(offset / axis.labels.length)
  }
  return labels
}
