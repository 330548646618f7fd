/** Figures drawn with characters, for the terminal. */
import ansis, { Ansis } from 'ansis'
import { plainText } from '../figure/axis.js'
import type { Figure } from '../figure/figure.js'
import { isObject, type JsonObject, type JsonValue } from '../result/json.js'
import { formatFor, formatNumber } from '../table/number-text.js'
import { figureTitle, kindOf, noteOf } from '../page/page-figure.js'
import { drawBars, type BarRows } from './bars.js'
import { drawBoxes, type BoxRow, type BoxRows } from './boxes.js'
import { drawHeatmap, type HeatmapCells } from './heatmap.js'
import { drawLines, drawScatter, type Line } from './points.js'
import { wrapped, type Paint } from './text.js'
import { visibleControls } from '../table/token-text.js'

export interface DrawOptions {
  /** Characters in a row. @default that of the terminal, else 80 */
  readonly width?: number
  /** @default whether stdout takes colours; NO_COLOR and FORCE_COLOR are honoured */
  readonly colour?: boolean
}

/**
 * The figure as lines of text: bars as blocks, a heat map as coloured cells (numbers where they fit, else signs and
 * shades, so that it can be read without colour too), points as a grid of dots, lines and percentiles as a row each,
 * boxes as a line each. Only the first trace of bars and heat maps is drawn, and the first frame of an animated figure,
 * which says so.
 */
export function drawFigure(figure: Figure, options: DrawOptions = {}): string {
  const width = Math.max(30, options.width ?? process.stdout.columns ?? 80)
  const paint = options.colour === undefined ? ansis : new Ansis(options.colour ? 3 : 0)
  const title = figureTitle(figure)
  const note = noteOf(figure)
  const lines = [...body(figure, width, paint), ...(note === undefined ? [] : said(note, width, paint))]
  return [...(title === undefined ? [] : [paint.bold(title)]), ...lines].join('\n')
}

function body(figure: Figure, width: number, paint: Paint): string[] {
  const [trace] = figure.data
  if (!trace) return ['(nothing to draw)']
  if (trace.type === 'heatmap') return drawHeatmap(heatmapOf(figure, trace), width, paint)
  if (trace.type === 'bar') return drawBars(barsOf(figure, trace), width, paint)
  if (trace.type === 'box' && Array.isArray(trace.q1)) return drawBoxes(boxesOf(figure, trace), width, paint)
  if (trace.type !== 'scatter') return [`(a ${String(trace.type)} figure can be seen in a page only)`]
  if (figure.data.some(({ mode }) => mode === 'markers')) return drawPoints(figure, width, paint)
  if (kindOf(figure) === 'areas') return drawAreas(figure, width, paint)
  return drawLines(figure.data.map(lineOf), width, paint, isLog(figure, 'yaxis'))
}

function lineOf({ name, y }: JsonObject): Line {
  return { name: typeof name === 'string' ? plainText(name) : '', y: numbers(y) }
}

/** A row a percentile, the highest on top, joined from the stretches between gaps; and what stands at both ends. */
function drawAreas(figure: Figure, width: number, paint: Paint): string[] {
  const all = figure.data.flatMap(({ x }) => numbers(x))
  const places = [...new Set(all)].sort((a, b) => a - b)
  const rows = new Map<string, Map<number, number>>()
  for (const trace of figure.data) {
    const { name, y } = lineOf(trace)
    const row = rows.get(name) ?? new Map<number, number>()
    numbers(trace.x).forEach((place, i) => Number.isFinite(y[i]) && row.set(place, y[i]!))
    rows.set(name, row)
  }
  const series = [...rows].map(([name, row]) => ({ name, y: places.map((place) => row.get(place) ?? NaN) })).reverse()
  const log = isLog(figure, 'yaxis')
  const [first, last] = [places[0]!, places.at(-1)!]
  const names = placeNames(figure.layout.xaxis, [first, last])
  const ends = `left to right: ${names.join(' … ')}${log ? '; log scale' : ''}`
  return [...drawLines(series, width, paint, log), ...said(ends, width, paint)]
}

/** The points of all traces, and of an animated figure which frame that is. */
function drawPoints(figure: Figure, width: number, paint: Paint): string[] {
  const points = figure.data.filter(({ mode }) => mode === 'markers')
  const log = `${isLog(figure, 'xaxis') ? 'x' : ''}${isLog(figure, 'yaxis') ? 'y' : ''}`
  const [x, y] = [points.flatMap((trace) => numbers(trace.x)), points.flatMap((trace) => numbers(trace.y))]
  const groups = points.length > 1 ? `${points.length} groups: ${points.map(groupText).join(', ')}` : ''
  const texts = [groups, frameText(figure)].filter((text) => text !== '')
  const canvas = drawScatter({ ...axisNames(figure), x, y, log }, width)
  return [...canvas, ...texts.flatMap((text) => said(text, width, paint))]
}

function groupText({ name, x }: JsonObject): string {
  return `${typeof name === 'string' ? plainText(name) : ''} (${numbers(x).length})`
}

/** 'layer: 0, the first of 12 frames; a page plays them all'. */
function frameText({ layout, frames = [] }: Figure): string {
  if (frames.length === 0) return ''
  const [slider] = Array.isArray(layout.sliders) ? (layout.sliders as JsonValue[]) : []
  const { currentvalue, steps } = isObject(slider) ? slider : {}
  const prefix = isObject(currentvalue) ? String(currentvalue.prefix ?? '') : ''
  const [step] = Array.isArray(steps) ? (steps as JsonValue[]) : []
  const name = isObject(step) ? String(step.label) : String(frames[0]!.name)
  return `${plainText(prefix + name)}, the first of ${frames.length} frames; a page plays them all`
}

/** What is said below a drawing. */
function said(text: string, width: number, paint: Paint): string[] {
  return wrapped(visibleControls(text), width).map((line) => paint.dim(line))
}

function boxesOf(figure: Figure, trace: JsonObject): BoxRows {
  const lists = ['lowerfence', 'q1', 'median', 'q3', 'upperfence'].map((key) => numbers(trace[key]))
  const points = figure.data.find(({ mode }) => mode === 'markers')
  const [at, outliers] = [numbers(points?.x), numbers(points?.y)]
  const names = strings(trace.customdata)
  const rows = numbers(trace.x).map((place, i) => ({
    name: names[i] ?? String(place),
    box: lists.map((list) => list[i]!) as unknown as BoxRow['box'],
    outliers: outliers.filter((_, j) => at[j] === place),
  }))
  return { rows, log: isLog(figure, 'yaxis'), title: axisNames(figure).yTitle }
}

function barsOf(figure: Figure, trace: JsonObject): BarRows {
  const { layout } = figure
  const lying = trace.orientation === 'h'
  const values = numbers(lying ? trace.x : trace.y)
  const places = numbers(lying ? trace.y : trace.x)
  const named = isLog(figure, 'xaxis') && kindOf(figure) === 'histogram' ? binNames(trace) : strings(trace.hovertext)
  const labels = named.length > 0 ? named : placeNames(layout[lying ? 'yaxis' : 'xaxis'], places)
  return { labels, values, unit: unitOf(layout), log: kindOf(figure) === 'histogram' && isLog(figure, 'yaxis') }
}

/** Bins by their ends, as bins of unequal width need it: '0.0012 to 0.0035'. */
function binNames({ customdata }: JsonObject): string[] {
  const bins = Array.isArray(customdata) ? customdata.map(numbers) : []
  return bins.map((ends) => ends.map((end) => String(Number(end.toPrecision(2)))).join(' to '))
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
    const text = typeof title === 'string' ? plainText(title) : ''
    return isObject(axis) && axis.type === 'log' ? `${text} (log scale)`.trimStart() : text
  })
  return { xTitle: xTitle!, yTitle: yTitle! }
}

function isLog({ layout }: Figure, name: 'xaxis' | 'yaxis'): boolean {
  const axis = layout[name]
  return isObject(axis) && axis.type === 'log'
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
