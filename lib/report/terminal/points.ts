/** Points and lines in the terminal: points as dots of braille characters, a line as a row of blocks. */
import { endTexts, formatFor, formatNumber } from '../table/number-text.js'
import { displayWidth, fitted, widest, type Paint } from './text.js'

export interface Points {
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly xTitle: string
  readonly yTitle: string
  /** Which axes are logarithmic: 'x', 'y', 'xy' or ''. @default '' */
  readonly log?: string
}

const canvasRows = 16

/** Bits of the dots of a braille character: four rows of two. */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
]

/** The points as lines of text, each at most `width` wide, with the ends of both axes written beside. */
export function drawScatter({ x, y, xTitle, yTitle, log = '' }: Points, width: number): string[] {
  const [across, up] = [onScale(log.includes('x')), onScale(log.includes('y'))]
  const kept = x.flatMap((value, i) =>
    Number.isFinite(across(value)) && Number.isFinite(up(y[i]!)) ? [[value, y[i]!] as const] : [],
  )
  if (kept.length === 0) return ['(no points)']
  const [xEnds, yEnds] = [endsOf(kept.map(([value]) => value)), endsOf(kept.map(([, value]) => value))]
  const [yLow, yHigh] = endTexts(yEnds, log.includes('y'))
  const beside = widest([yLow, yHigh], 12)
  const columns = width - beside - 2
  const cells = Array.from({ length: canvasRows }, () => new Uint8Array(columns))
  for (const [px, py] of kept) {
    const column = place(across(px), [across(xEnds[0]), across(xEnds[1])], columns * 2)
    const row = canvasRows * 4 - 1 - place(up(py), [up(yEnds[0]), up(yEnds[1])], canvasRows * 4)
    cells[row >> 2]![column >> 1]! |= dots[row & 3]![column & 1]!
  }
  const rows = cells.map((line, i) => {
    const label = i === 0 ? yHigh : i === canvasRows - 1 ? yLow : ''
    const text = Array.from(line, (bits) => (bits === 0 ? ' ' : String.fromCodePoint(0x2800 + bits))).join('')
    return `${fitted(label, beside, 'right')} │${text}`.trimEnd()
  })
  return [
    ...(yTitle ? [fitted(yTitle, Math.min(width, displayWidth(yTitle)))] : []),
    ...rows,
    `${' '.repeat(beside)} └${'─'.repeat(columns)}`,
    xLine(endTexts(xEnds, log.includes('x')), xTitle, beside, columns),
  ]
}

function onScale(log: boolean): (value: number) => number {
  return log ? Math.log10 : (value) => value
}

function xLine([low, high]: readonly [string, string], title: string, beside: number, columns: number): string {
  const middle = columns - low.length - high.length
  const label = fitted(title, Math.min(title.length, Math.max(0, middle - 2)))
  const before = Math.floor((middle - label.length) / 2)
  return `${' '.repeat(beside + 2)}${low}${' '.repeat(Math.max(1, before))}${label}${' '.repeat(Math.max(1, middle - before - label.length))}${high}`
}

export interface Line {
  readonly name: string
  readonly y: readonly number[]
}

/** A row of blocks for each line, all on one scale (by `log` that of logarithms), with its smallest and largest value. */
export function drawLines(series: readonly Line[], width: number, paint: Paint, log = false): string[] {
  const height = onScale(log)
  const all = series.flatMap(({ y }) => y).filter(Number.isFinite)
  const ends = endsOf(all.map(height).filter(Number.isFinite))
  const format = formatFor(all)
  const spans = series.map(({ y }) => {
    const finite = y.filter(Number.isFinite)
    if (finite.length === 0) return 'no values'
    const [low, high] = endsOf(finite)
    return `${formatNumber(low, format)} … ${formatNumber(high, format)}`
  })
  const names = series.map(({ name }) => name)
  const nameWidth = widest(names, Math.floor(width / 4))
  const spanWidth = widest(spans, width)
  const room = Math.max(8, width - nameWidth - spanWidth - 2)
  return series.map(({ y }, i) => {
    const row = bucketed(y.map(height), room)
      .map((value) => block(value, ends))
      .join('')
    return `${fitted(names[i]!, nameWidth)} ${row} ${paint.dim(spans[i]!)}`
  })
}

/** At most `count` values: the means of neighbours when there are more; a mean of none is NaN. */
function bucketed(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values]
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor((i * values.length) / count)
    const bucket = values.slice(start, Math.floor(((i + 1) * values.length) / count)).filter(Number.isFinite)
    return bucket.reduce((sum, value) => sum + value, 0) / bucket.length
  })
}

function block(value: number, ends: readonly [number, number]): string {
  return Number.isFinite(value) ? '▁▂▃▄▅▆▇█'[place(value, ends, 8)]! : ' '
}

/** Which of `count` equal parts between the ends holds the value. */
function place(value: number, [low, high]: readonly [number, number], count: number): number {
  if (low === high) return count >> 1
  return Math.min(count - 1, Math.floor(((value - low) / (high - low)) * count))
}

function endsOf(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([low, high], v) => [Math.min(low, v), Math.max(high, v)],
    [Infinity, -Infinity],
  )
}
