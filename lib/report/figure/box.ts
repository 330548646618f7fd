/** Box plots of groups of numbers, summed up here, so that a figure of very many numbers is small. */
import { ArgumentError } from '../../errors/errors.js'
import { boxSummary, type BoxSummary } from '../../stats/box-summary.js'
import { figureText, labelsBelow, leastWidth, numberAxis, plotWidth } from './axis.js'
import { checkLength, faded, layout, positive, templateText, type Figure, type Titles } from './parts.js'
import { emptyNote, joinedNotes, leftOutNote, paddedRange, picked, usable } from './usable.js'
import { jsonNumbers, type JsonObject } from '../result/json.js'
import { visibleToken } from '../table/token-text.js'

export interface BoxGroup {
  readonly name: string
  readonly values: ArrayLike<number>
  /** Name of each value, shown when an outlier is pointed at. */
  readonly labels?: readonly string[]
}

export interface BoxPlotInit extends Titles {
  readonly groups: readonly BoxGroup[]
  /** Outliers drawn of a group, at most. @default 40 */
  readonly outliers?: number
  /** A logarithmic axis of values. @default false */
  readonly log?: boolean
}

/**
 * A box a group, side by side: quartiles and median (by linear interpolation), whiskers to the last value within 1.5
 * interquartile ranges of the box, and outliers beyond. Where a group has more outliers than are drawn, those at both
 * ends are, and between them each so-many-th by size. Values that are not finite count nowhere, nor on a logarithmic
 * axis those of 0 and less; a note above the plot says how many. A group of no values has no box.
 * @throws ShapeError when a group has not as many labels as values
 * @throws ArgumentError when `outliers` is no whole number from 0
 */
export function boxPlot(init: BoxPlotInit): Figure {
  const { groups, xTitle, yTitle, unit = '', outliers: most = 40, log = false } = init
  checkBoxes(groups, most)
  const boxes = groups.map((group) => summed(group, log))
  const names = groups.map(({ name }) => name)
  const points = boxes.map(({ below, above }) => thinned(below, above, most))
  const data = [boxTrace(groups, boxes), outlierTrace(groups, points, unit)] as const
  const range = paddedRange([data[0].lowerfence, data[0].upperfence, data[1].y], log) // plotly's own misses logarithmic boxes
  const below = labelsBelow(names, xTitle, plotWidth)
  const margin = { l: Math.max(64, below.overhang), r: 24, t: init.title ? 52 : 28, b: below.room }
  const narrow = groups.length <= 8 ? { width: Math.max(420, groups.length * 110 + margin.l + margin.r) } : {}
  return {
    data,
    layout: {
      ...layout('boxes', init, Math.max(leastWidth(names), 420), boxNote(groups, boxes, points, log)),
      height: 340 + margin.t + margin.b,
      margin,
      ...narrow,
      showlegend: false,
      hovermode: 'closest',
      xaxis: { ...below.axis, range: [-0.6, groups.length - 0.4] },
      yaxis: { ...numberAxis(yTitle ?? unit, log), range },
    },
  }
}

function checkBoxes(groups: readonly BoxGroup[], most: number): void {
  for (const { name, values, labels } of groups) {
    if (labels) checkLength('boxPlot', `'${name}'`, values.length, 'labels', labels.length)
  }
  if (Number.isInteger(most) && most >= 0) return
  throw new ArgumentError(`boxPlot: outliers is ${most}. It must be a whole number from 0.`)
}

interface Summed extends BoxSummary {
  readonly count: number
}

/** The summary of what can be shown; its places are those in all the values. */
function summed({ values }: BoxGroup, log: boolean): Summed {
  const places = usable(values, log)
  const box = boxSummary(places.map((place) => values[place]!))
  const original = (ranks: readonly number[]) => ranks.map((rank) => places[rank]!)
  return { ...box, below: original(box.below), above: original(box.above), count: places.length }
}

/** At most `most` of the outliers below and above, each side given half, or what the other does not need. */
function thinned(below: readonly number[], above: readonly number[], most: number): number[] {
  const lower = Math.min(below.length, Math.max(Math.floor(most / 2), most - above.length))
  return [...spread(below, lower), ...spread([...above].reverse(), most - lower)]
}

/** `count` of the items, evenly spread, the first always among them, and the last where there are two. */
function spread(items: readonly number[], count: number): number[] {
  if (items.length <= count) return [...items]
  const step = (items.length - 1) / Math.max(1, count - 1)
  return Array.from({ length: count }, (_, i) => items[Math.round(i * step)]!)
}

/** One trace of all boxes; a group of no values is left out, which plotly would draw at 0. */
function boxTrace(groups: readonly BoxGroup[], boxes: readonly Summed[]) {
  const drawn = [...boxes.keys()].filter((i) => boxes[i]!.count > 0)
  const of = (key: 'q1' | 'median' | 'q3' | 'low' | 'high') => jsonNumbers(drawn.map((i) => boxes[i]![key]))
  return {
    type: 'box',
    x: drawn,
    q1: of('q1'),
    median: of('median'),
    q3: of('q3'),
    lowerfence: of('low'),
    upperfence: of('high'),
    // For the names 'min' and 'max' when a box is pointed at only: its outliers are points of their own.
    y: drawn.map((i) => jsonNumbers(endsOf(groups[i]!, boxes[i]!))),
    marker: { opacity: 0 },
    hoveron: 'boxes',
    customdata: drawn.map((i) => figureText(visibleToken(groups[i]!.name))),
    line: { color: positive, width: 1.5 },
    fillcolor: faded(positive, 0.3),
    yhoverformat: '.4g',
    hoverinfo: 'y',
    name: '',
  } satisfies JsonObject
}

/** The smallest value and the largest. */
function endsOf({ values }: BoxGroup, { low, high, below, above }: Summed): [number, number] {
  const [lowest, highest] = [below[0], above.at(-1)]
  return [lowest === undefined ? low : values[lowest]!, highest === undefined ? high : values[highest]!]
}

function outlierTrace(groups: readonly BoxGroup[], points: readonly (readonly number[])[], unit: string) {
  const names = groups.flatMap(({ name, labels }, i) => points[i]!.map((place) => labels?.[place] ?? name))
  return {
    type: 'scatter',
    mode: 'markers',
    x: points.flatMap((places, i) => places.map(() => i)),
    y: points.flatMap((places, i) => picked(groups[i]!.values, places)),
    text: names.map((name) => figureText(visibleToken(name))),
    marker: { color: positive, size: 4, opacity: 0.6 },
    hovertemplate: `%{text}<br><b>%{y:.4g}</b> ${templateText(unit)}<extra></extra>`,
  } satisfies JsonObject
}

function boxNote(
  groups: readonly BoxGroup[],
  boxes: readonly Summed[],
  points: readonly (readonly number[])[],
  log: boolean,
): string | undefined {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
  const all = sum(boxes.map(({ below, above }) => below.length + above.length))
  const drawn = sum(points.map(({ length }) => length))
  const hidden = drawn < all ? `${drawn} of ${all.toLocaleString('en')} outliers drawn` : undefined
  const unused = sum(groups.map(({ values }, i) => values.length - boxes[i]!.count))
  const empty = groups.filter((_, i) => boxes[i]!.count === 0).map(({ name }) => name)
  return joinedNotes(hidden, leftOutNote(unused, log), emptyNote(empty))
}
