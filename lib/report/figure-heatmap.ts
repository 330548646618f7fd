/** Heat maps. */
import { figureText, labelsBelow, labelsBeside } from './figure-axis.js'
import { checkLength, hoverName, layout, numbered, templateText, type Figure, type Titles } from './figure-parts.js'
import { jsonNumbers, type JsonObject } from './json.js'

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
  const cell = cellSize(z.length, columns)
  const [width, height] = [cell.width * columns, cell.height * z.length]
  const [below, beside] = [labelsBelow(x, xTitle, width), labelsBeside(y, yTitle, height)]
  const largest = largestMagnitude(z)
  const trace = {
    type: 'heatmap',
    z: z.map(jsonNumbers),
    ...colours(z, init.diverging, largest),
    colorbar: {
      title: { text: figureText(unit), side: 'right' },
      thickness: 12,
      outlinewidth: 0,
      tickfont: { size: 11 },
    },
    xgap: cell.width > 10 ? 1 : 0,
    ygap: cell.height > 10 ? 1 : 0,
    hoverongaps: false,
    hovertemplate: `${hoverName(yTitle)}%{y}<br>${hoverName(xTitle)}%{x}<br><b>%{z:.4g}</b> ${templateText(unit)}<extra></extra>`,
    ...(cell.width >= 34 && z.length * columns <= 300 ? writtenIn(largest) : {}),
  }
  const margin = { l: beside.room, r: 90, t: title ? 44 : 12, b: below.room }
  const size = { width: width + margin.l + margin.r, height: height + margin.t + margin.b }
  return {
    data: [trace],
    layout: {
      ...layout('heatmap', init),
      ...size,
      margin,
      xaxis: { ...below.axis, ...flush },
      yaxis: { ...beside.axis, ...flush },
    },
  }
}

/** Red over white to blue: ColorBrewer's RdBu, written out since plotly.js and plotly.py differ on that name. */
const redToBlue = ['#67001f', '#b2182b', '#d6604d', '#f4a582', '#fddbc7', '#f7f7f7']
  .concat(['#d1e5f0', '#92c5de', '#4393c3', '#2166ac', '#053061'])
  .map((colour, i) => [i / 10, colour])

/** The plot ends where its cells end. */
const flush = { ticks: '', constrain: 'domain' }

/** Cells of a heat map, in pixels: near square, a row at most 40 high, all within about 900 x 700. */
function cellSize(rows: number, columns: number): { width: number; height: number } {
  const width = Math.min(72, 900 / Math.max(1, columns))
  const height = Math.min(40, Math.max(16, width), 700 / Math.max(1, rows))
  return { width, height }
}

function colours(z: readonly ArrayLike<number>[], diverging: boolean | undefined, largest: number): JsonObject {
  const negatives = z.some((row) => Array.from(row).some((value) => value < 0))
  if (!(diverging ?? negatives)) return { colorscale: 'Viridis' }
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
