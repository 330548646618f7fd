/** A figure as a page holds it: its title as a caption, its content told in a sentence. */
import { plainText } from '../figure/axis.js'
import type { Figure } from '../figure/figure.js'
import { isObject, type JsonObject, type JsonValue } from '../result/json.js'
import { formatFor, formatNumber } from '../table/number-text.js'

/** The title of a figure as plain text; undefined when it has none. */
export function figureTitle({ layout }: Figure): string | undefined {
  const title = layout.title
  const text = typeof title === 'string' ? title : isObject(title) ? title.text : undefined
  return typeof text === 'string' && text !== '' ? plainText(text) : undefined
}

/** The figure without its title and the room that was kept for it. */
export function withoutTitle(figure: Figure): Figure {
  if (figureTitle(figure) === undefined) return figure
  const { title: _title, height, margin, ...layout } = figure.layout
  const top = isObject(margin) && typeof margin.t === 'number' ? margin.t : 0
  const spared = Math.max(0, top - toolbarHeight)
  const lower = typeof height === 'number' ? { height: height - spared } : {}
  const trimmed = isObject(margin) ? { margin: { ...margin, t: top - spared } } : {}
  return { ...figure, layout: { ...layout, ...lower, ...trimmed } }
}

/** Pixels of the buttons that plotly shows above a plot. */
const toolbarHeight = 28

/** The least width in pixels at which the figure can be read, 0 when it does not say. */
export function leastWidthOf({ layout }: Figure): number {
  const least = isObject(layout.meta) ? layout.meta.minWidth : undefined
  return typeof least === 'number' ? Math.ceil(least) : 0
}

/** The kind that our figures are marked with, such as 'heatmap'; '' of a figure made elsewhere. */
export function kindOf({ layout }: Figure): string {
  return isObject(layout.meta) && typeof layout.meta.kind === 'string' ? layout.meta.kind : ''
}

/** What is said above the plot, such as what was left out; undefined when nothing is. */
export function noteOf({ layout }: Figure): string | undefined {
  return isObject(layout.meta) && typeof layout.meta.note === 'string' ? layout.meta.note : undefined
}

/** What is drawn, for those who cannot see it: 'Heat map, 4 by 22 values from -0.31 to 1.2 logits.' */
export function describeFigure(figure: Figure): string {
  const meta = isObject(figure.layout.meta) ? figure.layout.meta : {}
  const kind = kindNames[kindOf(figure)] ?? (kindOf(figure) || 'Figure')
  const unit = typeof meta.unit === 'string' && meta.unit !== '' ? ` ${meta.unit}` : ''
  const note = noteOf(figure)
  const noted = note === undefined ? '' : ` ${note[0]!.toUpperCase()}${note.slice(1)}.`
  const values = shownTraces(figure).flatMap(numbersOf)
  if (values.length === 0) return `${kind}.${noted}`
  const [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity])
  const format = formatFor([low, high])
  const span = `from ${formatNumber(low, format)} to ${formatNumber(high, format)}${unit}`
  return `${kind}, ${countText(figure, values.length)} ${span}.${noted}`
}

/** The traces of all frames, or of the figure that has none. */
function shownTraces({ data, frames = [] }: Figure): readonly JsonObject[] {
  const ofFrames = frames.flatMap(({ data }) => (Array.isArray(data) ? (data as JsonObject[]) : []))
  return ofFrames.length > 0 ? ofFrames : data
}

const kindNames: Readonly<Record<string, string>> = {
  heatmap: 'Heat map',
  bars: 'Bars',
  scatter: 'Points',
  lines: 'Lines',
  histogram: 'Histogram, counts',
  boxes: 'Box plot',
  areas: 'Areas between percentiles',
  animated: 'Points that change',
}

function countText({ data, frames = [] }: Figure, count: number): string {
  const { type, z, x } = data[0]!
  if (type === 'box') return `${Array.isArray(x) ? x.length : 0} groups with values`
  if (frames.length > 0) return `${frames.length} frames with ${count} points`
  const first = Array.isArray(z) ? z[0] : undefined
  return Array.isArray(first) ? `${(z as JsonValue[]).length} by ${first.length} values` : `${count} values`
}

/** The numbers a trace shows: z, the ends of whiskers, or those along the axis of values. */
function numbersOf({ type, z, x, y, orientation, lowerfence, upperfence }: JsonObject): number[] {
  const values = type === 'box' ? [lowerfence!, upperfence!] : (z ?? (orientation === 'h' ? x : y))
  return Array.isArray(values) ? values.flat().filter((value) => typeof value === 'number') : []
}
