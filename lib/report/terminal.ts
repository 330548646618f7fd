/** Figures drawn with characters, for the terminal. */
import ansis, { Ansis } from 'ansis'
import { plainText } from './figure-axis.js'
import type { Figure } from './figure.js'
import { isObject, type JsonObject, type JsonValue } from './json.js'
import { formatFor, formatNumber } from './number-text.js'
import { figureTitle } from './page-figure.js'
import { drawBars, type BarRows } from './terminal-bars.js'
import { drawHeatmap, type HeatmapCells } from './terminal-heatmap.js'
import { drawLines, drawScatter } from './terminal-points.js'
import type { Paint } from './terminal-text.js'
import { visibleControls } from './token-text.js'

export interface DrawOptions {
  /** Characters in a row. @default that of the terminal, else 80 */
  readonly width?: number
  /** @default whether stdout takes colours; NO_COLOR and FORCE_COLOR are honoured */
  readonly colour?: boolean
}

/**
 * The figure as lines of text: bars as blocks, a heat map as coloured cells (numbers where they fit, else signs and
 * shades, so that it can be read without colour too), points as a grid of dots, lines as a row each. Only the first
 * trace of bars and heat maps is drawn.
 */
export function drawFigure(figure: Figure, options: DrawOptions = {}): string {
  const width = Math.max(30, options.width ?? process.stdout.columns ?? 80)
  const paint = options.colour === undefined ? ansis : new Ansis(options.colour ? 3 : 0)
  const title = figureTitle(figure)
  return [...(title === undefined ? [] : [paint.bold(title)]), ...body(figure, width, paint)].join('\n')
}

function body(figure: Figure, width: number, paint: Paint): string[] {
  const [trace] = figure.data
  if (!trace) return ['(nothing to draw)']
  if (trace.type === 'heatmap') return drawHeatmap(heatmapOf(figure, trace), width, paint)
  if (trace.type === 'bar') return drawBars(barsOf(figure, trace), width, paint)
  if (trace.type !== 'scatter') return [`(a ${String(trace.type)} figure can be seen in a page only)`]
  const points = figure.data.find(({ mode }) => mode === 'markers')
  if (points) return drawScatter({ ...axisNames(figure), x: numbers(points.x), y: numbers(points.y) }, width)
  return drawLines(
    figure.data.map(({ name, y }) => ({ name: typeof name === 'string' ? plainText(name) : '', y: numbers(y) })),
    width,
    paint,
  )
}

function barsOf({ layout }: Figure, trace: JsonObject): BarRows {
  const lying = trace.orientation === 'h'
  const values = numbers(lying ? trace.x : trace.y)
  const places = numbers(lying ? trace.y : trace.x)
  const named = strings(trace.hovertext)
  const labels = named.length > 0 ? named : placeNames(layout[lying ? 'yaxis' : 'xaxis'], places)
  return { labels, values, unit: unitOf(layout) }
}

function heatmapOf({ layout }: Figure, { z, zmin, zmax, colorscale }: JsonObject): HeatmapCells {
  const rows = Array.isArray(z) ? z.map(numbers) : []
  const finite = rows.flat().filter(Number.isFinite)
  const [low, high] = finite.reduce<[number, number]>(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  )
  return {
    rows: placeNames(layout.yaxis, [...rows.keys()]),
    columns: placeNames(layout.xaxis, [...(rows[0] ?? []).keys()]),
    z: rows,
    unit: unitOf(layout),
    colours: Array.isArray(colorscale) ? (colorscale as [number, string][]) : greys,
    range: typeof zmin === 'number' && typeof zmax === 'number' ? [zmin, zmax] : [low, high],
  }
}

/** For a colour scale that is known to plotly by name only. */
const greys: readonly [number, string][] = [
  [0, '#202020'],
  [1, '#f0f0f0'],
]

/** What an axis writes at these places, else their numbers. */
function placeNames(axis: JsonValue | undefined, places: readonly number[]): string[] {
  const { tickvals, ticktext } = isObject(axis) ? axis : {}
  const texts = strings(ticktext)
  const known = new Map(numbers(tickvals).map((value, i) => [value, texts[i]!]))
  const format = formatFor(places)
  return places.map((place) => known.get(place) ?? formatNumber(place, format))
}

function axisNames({ layout }: Figure): { xTitle: string; yTitle: string } {
  const [xTitle, yTitle] = [layout.xaxis, layout.yaxis].map((axis) => {
    const title = isObject(axis) && isObject(axis.title) ? axis.title.text : undefined
    return typeof title === 'string' ? plainText(title) : ''
  })
  return { xTitle: xTitle!, yTitle: yTitle! }
}

function unitOf({ meta }: JsonObject): string {
  const unit = isObject(meta) ? meta.unit : undefined
  return typeof unit === 'string' ? visibleControls(unit) : ''
}

/** A list of numbers, null as NaN. */
function numbers(value: JsonValue | undefined): number[] {
  return Array.isArray(value) ? value.map((item) => (typeof item === 'number' ? item : NaN)) : []
}

/** Texts made for plotly, fit for the terminal. */
function strings(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.map((item) => visibleControls(plainText(String(item)))) : []
}
