/** Heat maps. */
import { figureText, labelsBelow, labelsBeside, plotWidth } from './axis.js'
import { checkLength, hoverName, layout, numbered, templateText, type Figure, type Titles } from './parts.js'
import { jsonNumbers, type JsonObject } from '../result/json.js'
import { visibleToken } from '../table/token-text.js'

export interface HeatmapInit extends Titles {
  /** Rows of values, the first one on top; NaN leaves its cell empty. */
  readonly z: readonly ArrayLike<number>[]
  /** Label of each column. @default its number */
  readonly x?: readonly string[]
  /** Label of each row. @default its number */
  readonly y?: readonly string[]
  /** Colours to both sides of 0, else from the smallest to the largest. @default whether a value is negative */
  readonly diverging?: boolean
}

/** A heat map, with its values written in when there is room. Throws ShapeError when sizes and labels disagree. */
export function heatmap(init: HeatmapInit): Figure {
  const { z, title, xTitle, yTitle, unit = '' } = init
  const columns = z[0]?.length ?? 0
  const x = init.x ?? numbered(columns)
  const y = init.y ?? numbered(z.length)
  z.forEach((row, i) => checkLength('heatmap', `row ${i} of z`, row.length, 'labels in x', x.length))
  checkLength('heatmap', 'z', z.length, 'labels in y', y.length)
  const plotHeight = cellHeight(z.length, columns, plotWidth) * z.length
  const beside = labelsBeside(y, yTitle, plotHeight)
  const cell = { width: cellWidth(columns, beside.room), height: plotHeight / Math.max(1, z.length) }
  const below = labelsBelow(x, xTitle, cell.width * columns)
  const largest = largestMagnitude(z)
  const cells = z.length * columns
  const hoverText =
    (below.incomplete || beside.incomplete) && cells <= 20_000 ? { hovertext: cellNames(init, x, y) } : {}
  const names = hoverText.hovertext ? '%{hovertext}' : `${hoverName(yTitle)}%{y}<br>${hoverName(xTitle)}%{x}`
  const trace = {
    type: 'heatmap',
    z: z.map(jsonNumbers),
    ...colours(z, init.diverging, largest),
    ...hoverText,
    colorbar: colourBar(unit, plotHeight),
    xgap: cell.width > 10 ? 1 : 0,
    ygap: cell.height > 10 ? 1 : 0,
    hoverongaps: false,
    hovertemplate: `${names}<br><b>%{z:.4g}</b> ${templateText(unit)}<extra></extra>`,
    ...(cell.width >= 34 && cells <= 300 ? writtenIn(largest) : {}),
  }
  const margin = { l: Math.max(beside.room, below.overhang), r: colourBarRoom, t: title ? 52 : 28, b: below.room }
  const height = Math.max(plotHeight + margin.b, colourBarLength(plotHeight)) + margin.t
  const [xaxis, yaxis] = [
    { ...below.axis, ticks: '' },
    { ...beside.axis, ticks: '' },
  ]
  const size = { width: cell.width * columns + margin.l + margin.r, height: Math.ceil(height) }
  margin.b = size.height - margin.t - Math.ceil(plotHeight)
  return { data: [trace], layout: { ...layout('heatmap', init), ...size, margin, xaxis, yaxis } }
}

/** Red over white to blue: ColorBrewer's RdBu, written out since plotly.js and plotly.py differ on that name. */
const redToBlue = ['#67001f', '#b2182b', '#d6604d', '#f4a582', '#fddbc7', '#f7f7f7']
  .concat(['#d1e5f0', '#92c5de', '#4393c3', '#2166ac', '#053061'])
  .map((colour, i) => [i / 10, colour])

/** Dark violet to yellow, which everyone sees as dark to bright. */
const viridis = ['#440154', '#3b528b', '#21918c', '#5ec962', '#fde725'].map((colour, i) => [i / 4, colour])

const colourBarRoom = 90

/** Beside the plot, from its top; longer than a plot of few rows, so that its numbers have room. */
function colourBar(unit: string, plotHeight: number): JsonObject {
  return {
    title: { text: figureText(unit).replaceAll(' ', '<br>'), side: 'top', font: { size: 12 } },
    thickness: 12,
    outlinewidth: 0,
    tickfont: { size: 11 },
    ...{ lenmode: 'pixels', len: colourBarLength(plotHeight), y: 1, yanchor: 'top', ypad: 0 },
  }
}

function colourBarLength(plotHeight: number): number {
  return Math.max(120, Math.ceil(plotHeight))
}

/** Pixels of a cell: near square, a row at most 40 high; the plot with its labels fits a column of text. */
function cellWidth(columns: number, besideRoom: number): number {
  return Math.min(72, (plotWidth + 100 - Math.max(100, besideRoom)) / Math.max(1, columns))
}

function cellHeight(rows: number, columns: number, width: number): number {
  return Math.min(40, Math.max(16, width / Math.max(1, columns)), 700 / Math.max(1, rows))
}

/** Row and column of each cell in full, for labels that the axes show cut or not at all. */
function cellNames({ xTitle, yTitle }: Titles, x: readonly string[], y: readonly string[]): string[][] {
  const named = (title: string | undefined, labels: readonly string[]) =>
    labels.map((label) => figureText(`${title ? `${title}: ` : ''}${visibleToken(label)}`))
  const columns = named(xTitle, x)
  return named(yTitle, y).map((row) => columns.map((column) => `${row}<br>${column}`))
}

function colours(z: readonly ArrayLike<number>[], diverging: boolean | undefined, largest: number): JsonObject {
  const negatives = z.some((row) => Array.from(row).some((value) => value < 0))
  if (!(diverging ?? negatives)) return { colorscale: viridis }
  return { colorscale: redToBlue, zmin: -(largest || 1), zmax: largest || 1 }
}

/** Writes each value in its cell; as many digits as a narrow cell takes. */
function writtenIn(largest: number): JsonObject {
  const digits = largest >= 100 ? 0 : largest >= 10 ? 1 : 2
  return { texttemplate: `%{z:.${digits}f}`, textfont: { size: 11 } }
}

function largestMagnitude(z: readonly ArrayLike<number>[]): number {
  let largest = 0
  for (const row of z) {
    for (let i = 0; i < row.length; i++) if (Number.isFinite(row[i])) largest = Math.max(largest, Math.abs(row[i]!))
  }
  return largest
}
