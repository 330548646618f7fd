/**
 * Figures as plotly JSON: drawn in our pages and the terminal, and opened by Python's plotly.io.from_json as they are.
 * Positive is blue and negative red throughout, which the colour-blind can tell apart.
 */
import { ArgumentError } from '../../errors/errors.js'
import { figureText, labelsBelow, labelsBeside, leastWidth, numberAxis, plotWidth } from './axis.js'
import {
  checkLength,
  groupColours,
  hoverName,
  layout,
  negative,
  neutral,
  noteLine,
  numbered,
  positive,
  templateText,
  type Figure,
  type Titles,
} from './parts.js'
import { leftOutNote, picked, usablePoints, type LogAxes } from './usable.js'
import { jsonNumbers, type JsonObject } from '../result/json.js'
import { visibleToken } from '../table/token-text.js'

export { heatmap, type HeatmapInit } from './heatmap.js'
export { histogram, type HistogramInit } from './histogram.js'
export type { Figure, Titles } from './parts.js'

export interface BarsInit extends Titles {
  /** A value for each bar; NaN leaves it out. */
  readonly y: ArrayLike<number>
  /** Name of each bar. @default its number */
  readonly labels?: readonly string[]
  /** Where the bars stand, when that is a number; instead of `labels`. */
  readonly x?: ArrayLike<number>
  /** Half the length of each error bar. */
  readonly error?: ArrayLike<number>
  /** Bars that lie, one below the other. @default whether labels are long and not too many */
  readonly horizontal?: boolean
}

/** Bars, by default upright. Throws ShapeError when the lists differ in length. */
export function bars(init: BarsInit): Figure {
  const { y, x, error, xTitle, yTitle, unit = '' } = init
  const labels = init.labels ?? numbered(y.length)
  checkLength('bars', 'y', y.length, x ? 'values in x' : 'labels', x?.length ?? labels.length)
  if (error) checkLength('bars', 'y', y.length, 'values in error', error.length)
  const lying = init.horizontal ?? (!x && y.length <= 60 && labels.some((label) => label.length > 12))
  const values = jsonNumbers(y)
  const places = x ? jsonNumbers(x) : labels.map((_, i) => i)
  const [place, value] = lying ? ['y', 'x'] : ['x', 'y']
  const trace = {
    type: 'bar',
    orientation: lying ? 'h' : 'v',
    [place]: places,
    [value]: values,
    hovertext: x ? undefined : labels.map((label) => figureText(visibleToken(label))),
    marker: { color: values.map((number) => (number !== null && number < 0 ? negative : positive)) },
    ...(error ? { [`error_${value}`]: { type: 'data', array: jsonNumbers(error), thickness: 1.2, width: 3 } } : {}),
    hovertemplate: `${x ? '%{x}' : '%{hovertext}'}<br><b>%{${value}:.4g}</b> ${templateText(unit)}<extra></extra>`,
  }
  const valueAxis = { ...numberAxis(yTitle ?? unit), zeroline: true }
  const length = lying ? y.length * 22 : 300
  const beside = lying ? labelsBeside(labels, xTitle, length, 44) : undefined
  const below = lying || x ? undefined : labelsBelow(labels, xTitle, plotWidth)
  const placeAxis = beside?.axis ?? below?.axis ?? numberAxis(xTitle)
  const margin = {
    l: beside?.room ?? Math.max(64, below?.overhang ?? 0),
    r: 24,
    t: init.title ? 52 : 28,
    b: below?.room ?? 48,
  }
  return {
    data: [trace],
    layout: {
      ...layout('bars', init, below && leastWidth(labels)),
      height: length + margin.t + margin.b,
      margin,
      bargap: 0.25,
      ...(!lying && y.length <= 8 ? { width: Math.max(360, y.length * 90 + margin.l + margin.r) } : {}),
      [`${place}axis`]: placeAxis,
      [`${value}axis`]: valueAxis,
    },
  }
}

export interface ScatterInit extends Titles {
  readonly x: ArrayLike<number>
  readonly y: ArrayLike<number>
  /** Name of each point, shown when pointed at. */
  readonly labels?: readonly string[]
  /** Draws the line where y = x. @default false */
  readonly identityLine?: boolean
  /** Which axes are logarithmic; points at 0 and less are left out there, and a note says how many. @default none */
  readonly log?: LogAxes
}

/**
 * Points.
 * @throws ShapeError when the lists differ in length
 * @throws ArgumentError when the identity line is asked for and one axis only is logarithmic
 */
export function scatter(init: ScatterInit): Figure {
  const { x, y, labels, xTitle, yTitle, identityLine = false, log = '' } = init
  checkLength('scatter', 'x', x.length, 'values in y', y.length)
  if (labels) checkLength('scatter', 'x', x.length, 'labels', labels.length)
  if (identityLine && log.length === 1) {
    throw new ArgumentError(`scatter: identityLine with log '${log}', where y = x is no line. Take log 'xy', or none.`)
  }
  const shown = log ? usablePoints(x, y, log) : [...Array(x.length).keys()]
  const note = leftOutNote(x.length - shown.length, true, 'point')
  const names = labels ? { text: shown.map((i) => figureText(visibleToken(labels[i]!))) } : {}
  const points = {
    type: 'scatter',
    mode: 'markers',
    x: picked(x, shown),
    y: picked(y, shown),
    ...names,
    marker: { color: positive, size: 7, opacity: 0.65 },
    hovertemplate: `${labels ? '<b>%{text}</b><br>' : ''}${hoverName(xTitle)}%{x:.4g}<br>${hoverName(yTitle)}%{y:.4g}<extra></extra>`,
  }
  const ends = identityLine ? commonRange(points.x, points.y) : undefined
  const identity = {
    type: 'scatter',
    mode: 'lines',
    x: ends,
    y: ends,
    line: { color: neutral, width: 1.5, dash: 'dash' },
    hoverinfo: 'skip',
  }
  return {
    data: ends ? [identity, points] : [points],
    layout: {
      ...layout('scatter', init, undefined, note),
      height: 460,
      showlegend: false,
      ...(ends ? { annotations: [...noteLine(note), lineName(log ? Math.log10(ends[1]) : ends[1])] } : {}),
      margin: { l: 70, r: 24, t: init.title ? 52 : 28, b: 56 },
      xaxis: numberAxis(xTitle, log.includes('x')),
      yaxis: numberAxis(yTitle, log.includes('y')),
    },
  }
}

export interface LinesInit extends Titles {
  /** Named lines, each with a value at every place; NaN interrupts the line. */
  readonly series: readonly { readonly name: string; readonly y: ArrayLike<number> }[]
  /** Name of each place. */
  readonly labels?: readonly string[]
  /** Where the values stand, when that is a number; instead of `labels`. @default 0, 1, 2, … */
  readonly x?: ArrayLike<number>
}

/** Lines over common places. Throws ShapeError when the lists differ in length. */
export function lines(init: LinesInit): Figure {
  const { series, labels, xTitle, yTitle, unit = '' } = init
  const x = init.x ?? numbered(labels?.length ?? series[0]?.y.length ?? 0).map(Number)
  series.forEach(({ name, y }) => checkLength('lines', `'${name}'`, y.length, 'places', x.length))
  const data = series.map(({ name, y }, i) => ({
    type: 'scatter',
    mode: x.length > 60 ? 'lines' : 'lines+markers',
    name: figureText(visibleToken(name)),
    x: jsonNumbers(x),
    y: jsonNumbers(y),
    line: {
      color: groupColours[i % groupColours.length]!,
      width: 2,
      dash: dashes[Math.floor(i / groupColours.length) % dashes.length]!,
    },
    marker: { size: 6 },
    hovertemplate: `%{x}<br><b>%{y:.4g}</b> ${templateText(unit)}<extra>${templateText(visibleToken(name))}</extra>`,
  }))
  const below = labels ? labelsBelow(labels, xTitle, plotWidth - 100) : undefined
  const margin = { l: Math.max(64, below?.overhang ?? 0), r: 24, t: init.title ? 52 : 28, b: below?.room ?? 48 }
  return {
    data,
    layout: {
      ...layout('lines', init, labels && leastWidth(labels)),
      height: 300 + margin.t + margin.b,
      margin,
      showlegend: series.length > 1,
      xaxis: below?.axis ?? numberAxis(xTitle),
      yaxis: numberAxis(yTitle ?? unit),
    },
  }
}

/** 'y = x' at the upper end of that line. */
function lineName(end: number): JsonObject {
  return {
    x: end,
    y: end,
    text: 'y = x',
    showarrow: false,
    xanchor: 'right',
    yanchor: 'bottom',
    font: { color: neutral },
  }
}

function commonRange(x: readonly (number | null)[], y: readonly (number | null)[]): [number, number] | undefined {
  let [low, high] = [Infinity, -Infinity]
  for (const values of [x, y]) {
    for (const value of values) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)]
  }
  return low <= high ? [low, high] : undefined
}

const dashes = ['solid', 'dash', 'dot']
