/** Box plots in the terminal: a line each, all on one scale, with the median beside. */
import { endTexts, formatFor, formatNumber } from '../table/number-text.js'
import { fitted, widest, type Paint } from './text.js'

export interface BoxRow {
  readonly name: string
  /** Ends of the whiskers and of the box, and the median, ascending. */
  readonly box: readonly [low: number, q1: number, median: number, q3: number, high: number]
  readonly outliers: readonly number[]
}

export interface BoxRows {
  readonly rows: readonly BoxRow[]
  readonly log: boolean
  /** What the values are. */
  readonly title: string
}

const mostRows = 60

/** `├──░░┃░░──┤`: whiskers, box and median, `·` for outliers; the lowest line has the ends of the scale. */
export function drawBoxes({ rows, log, title }: BoxRows, width: number, paint: Paint): string[] {
  const there = log ? Math.log10 : (value: number) => value
  const all = rows.flatMap(({ box, outliers }) => [...box, ...outliers])
  if (all.length === 0) return ['(no values)']
  const ends = all.reduce<[number, number]>(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity])
  const format = formatFor(rows.map(({ box }) => box[2]))
  const medians = rows.map(({ box }) => formatNumber(box[2], format))
  const nameWidth = widest(rows.map(({ name }) => name), Math.floor(width / 3)) // prettier-ignore
  const medianWidth = widest(['median', ...medians], 14)
  const columns = Math.max(8, width - nameWidth - medianWidth - 2)
  const [start, span] = [there(ends[0]), there(ends[1]) - there(ends[0])]
  const column = (value: number) => (span === 0 ? columns >> 1 : Math.round(((there(value) - start) / span) * (columns - 1))) // prettier-ignore
  const lines = rows.slice(0, mostRows).map((row, i) => {
    const head = `${fitted(row.name, nameWidth)} ${fitted(medians[i]!, medianWidth, 'right')}`
    return `${head} ${drawBox(row, column, columns, paint)}`.trimEnd()
  })
  const beside = ' '.repeat(nameWidth + medianWidth + 2)
  const hidden = rows.length - lines.length
  return [
    paint.dim(`${' '.repeat(nameWidth + 1)}${fitted('median', medianWidth, 'right')} ${fitted(title, Math.min(columns, title.length))}`.trimEnd()), // prettier-ignore
    ...lines,
    ...(hidden > 0 ? [paint.dim(`… and ${hidden} more`)] : []),
    paint.dim(beside + scaleLine(endTexts(ends, log), columns)),
  ]
}

function drawBox({ box, outliers }: BoxRow, column: (value: number) => number, columns: number, paint: Paint): string {
  const cells = new Array<string>(columns).fill(' ')
  for (const value of outliers) cells[column(value)] = '·'
  const [low, q1, median, q3, high] = box.map(column) as [number, number, number, number, number]
  cells.fill('─', low, high + 1)
  if (low < q1) cells[low] = '├'
  if (high > q3) cells[high] = '┤'
  cells.fill('░', q1, q3 + 1)
  cells[median] = '┃'
  return paint.blue(cells.join('').trimEnd())
}

function scaleLine([low, high]: readonly [string, string], columns: number): string {
  return low + ' '.repeat(Math.max(1, columns - low.length - high.length)) + high
}
