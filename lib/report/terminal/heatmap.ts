/** Heat maps in the terminal: cells with their numbers where these fit, else signs and shades; coloured if wished. */
import { formatFor, formatNumber, type NumberFormat } from '../table/number-text.js'
import { displayWidth, fitted, widest, type Paint } from './text.js'

export interface HeatmapCells {
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  /** A list a row; NaN leaves its cell empty. */
  readonly z: readonly (readonly number[])[]
  readonly unit: string
  /** Places from 0 to 1 with '#rrggbb', ascending. */
  readonly colours: readonly (readonly [number, string])[]
  /** The values that the ends of the colours stand for. */
  readonly range: readonly [number, number]
}

/** The lines of text, each at most `width` wide; columns that do not fit continue in a further block of lines. */
export function drawHeatmap(cells: HeatmapCells, width: number, paint: Paint): string[] {
  const format = formatFor(cells.z.flat())
  const labelWidth = widest(cells.rows, Math.floor(width / 4))
  const room = width - labelWidth - 1
  const numberWidth =
    widest(
      cells.z.flat().map((value) => formatNumber(value, format)),
      room,
    ) + 1
  const withNumbers = numberWidth * cells.columns.length <= room
  const style = withNumbers ? numberCells(cells, numberWidth, format, room) : shadeCells(cells, room)
  const lines: string[] = []
  for (let start = 0; start < cells.columns.length; start += style.perBlock) {
    const shown = cells.columns.slice(start, start + style.perBlock).map((_, i) => start + i)
    const heads = shown.map((column) => fitted(style.heads[column]!, style.width, 'right'))
    lines.push(paint.dim(`${' '.repeat(labelWidth + 1)}${heads.join('')}`))
    cells.rows.forEach((label, row) => {
      const drawn = shown.map((column) => drawCell(cells, cells.z[row]![column]!, style, paint))
      lines.push(`${fitted(label, labelWidth)} ${drawn.join('')}`)
    })
  }
  return [...lines, ...style.below, scaleLine(cells, format, withNumbers, paint)]
}

interface CellStyle {
  readonly width: number
  readonly perBlock: number
  readonly heads: readonly string[]
  /** Lines below, which explain the heads. */
  readonly below: readonly string[]
  readonly text: (value: number) => string
}

function numberCells(cells: HeatmapCells, least: number, format: NumberFormat, room: number): CellStyle {
  const { columns } = cells
  const width = Math.min(Math.floor(room / columns.length), Math.max(least, widest(columns, 10) + 1))
  const text = (value: number) => formatNumber(value, format)
  return { width, perBlock: columns.length, ...headsOf(columns, width, room), text }
}

function shadeCells({ columns, range }: HeatmapCells, room: number): CellStyle {
  const least = String(columns.length - 1).length + 1
  const width = Math.min(4, Math.max(least, Math.floor(room / columns.length)))
  const largest = Math.max(Math.abs(range[0]), Math.abs(range[1]))
  const text = (value: number) => {
    const step = shade(Math.abs(value) / largest)
    return (value < 0 && step !== ' ' ? '-' : ' ') + step.repeat(width - 1)
  }
  return { width, perBlock: Math.max(1, Math.floor(room / width)), ...headsOf(columns, width, room), text }
}

/** The labels as heads where they fit; else their numbers, and a list of them below. */
function headsOf(columns: readonly string[], width: number, room: number): Pick<CellStyle, 'heads' | 'below'> {
  if (columns.every((label) => displayWidth(label) < width)) return { heads: columns, below: [] }
  const below: string[] = []
  let line = ''
  columns.forEach((label, i) => {
    const entry = `${i} ${fitted(label, Math.min(24, displayWidth(label)))}  `
    if (displayWidth(line + entry) > room) {
      below.push(line.trimEnd())
      line = ''
    }
    line += entry
  })
  return { heads: columns.map((_, i) => String(i)), below: [...below, line.trimEnd()] }
}

function drawCell({ colours, range }: HeatmapCells, value: number, { width, text }: CellStyle, paint: Paint): string {
  if (!Number.isFinite(value)) return fitted('·', width, 'right')
  const cell = fitted(text(value), width, 'right')
  if (paint.level === 0) return cell
  const [red, green, blue] = colourAt(colours, (value - range[0]) / (range[1] - range[0] || 1))
  const bright = 0.299 * red + 0.587 * green + 0.114 * blue > 140
  const ink = bright ? paint.rgb(0, 0, 0) : paint.rgb(255, 255, 255)
  return ink.bgRgb(red, green, blue)(/[0-9]/.test(cell) ? cell : ' '.repeat(width))
}

function scaleLine(cells: HeatmapCells, format: NumberFormat, withNumbers: boolean, paint: Paint): string {
  const [low, high] = cells.range
  const unit = cells.unit ? ` ${cells.unit}` : ''
  const ends = (strip: string) => `${formatNumber(low, format)} ${strip} ${formatNumber(high, format)}${unit}`
  if (paint.level > 0) {
    const steps = Array.from({ length: 16 }, (_, i) => paint.bgRgb(...colourAt(cells.colours, i / 15))(' '))
    return ends(steps.join(''))
  }
  if (withNumbers) return cells.unit
  const largest = Math.max(Math.abs(low), Math.abs(high))
  return `░ ▒ ▓ █ up to ${formatNumber(largest, format)}${unit}${low < 0 ? ', - below zero' : ''}`
}

/** Five steps, from nothing to a full block. */
function shade(part: number): string {
  return [' ', '░', '▒', '▓', '█'][Math.min(4, Math.round((part || 0) * 4))]!
}

/** The colour at a place from 0 to 1, blended from its neighbours on the scale. */
function colourAt(colours: HeatmapCells['colours'], place: number): [number, number, number] {
  const after = colours.findIndex(([stop]) => stop >= place)
  const [highStop, highColour] = colours.at(after)!
  const [lowStop, lowColour] = colours[Math.max(0, after < 0 ? colours.length - 1 : after - 1)]!
  const part = highStop > lowStop ? Math.max(0, (place - lowStop) / (highStop - lowStop)) : 0
  const channel = (i: number) => {
    const [low, high] = [lowColour, highColour].map((colour) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16))
    return Math.round(low! + (high! - low!) * part)
  }
  return [channel(0), channel(1), channel(2)]
}
