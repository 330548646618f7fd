/** Percentiles of a quantity along an ordered axis, such as layers, as bands that are darkest about the median. */
import { ArgumentError } from '../../errors/errors.js'
import { quantiles } from '../../stats/quantile.js'
import { labelsBelow, leastWidth, numberAxis, plotWidth } from './axis.js'
import { checkLength, faded, layout, numbered, positive, templateText, type Figure, type Titles } from './parts.js'
import { emptyNote, joinedNotes, leftOutNote, usable } from './usable.js'
import { jsonNumbers, type JsonObject } from '../result/json.js'

interface PlacesInit extends Titles {
  /** Where the places stand, when that is a number; instead of their names. @default 0, 1, 2, … */
  readonly x?: ArrayLike<number>
  /** A logarithmic axis of values. @default false */
  readonly log?: boolean
}

export interface AreasInit extends PlacesInit {
  /** Lines that bound the areas: a percentile from 0 to 100 and its value at each place. */
  readonly percentiles: readonly { readonly percentile: number; readonly y: ArrayLike<number> }[]
  /** Name of each place. */
  readonly labels?: readonly string[]
}

/**
 * Areas between percentiles that are known, and a line for the median. A place where one is not finite, or on a
 * logarithmic axis not above 0, is a gap.
 * @throws ShapeError when the lists differ in length
 * @throws ArgumentError when a percentile does not lie between 0 and 100
 */
export function areas(init: AreasInit): Figure {
  return drawAreas('areas', init)
}

export interface PercentileAreasInit extends PlacesInit {
  /** The values at each place, in the order of the axis. */
  readonly groups: readonly { readonly name: string; readonly values: ArrayLike<number> }[]
  /** @default 1, 10, 25, 50, 75, 90, 99 */
  readonly percentiles?: readonly number[]
}

/**
 * Areas between percentiles of groups of values (by linear interpolation), one group a place. Values that are not finite
 * count nowhere, nor on a logarithmic axis those of 0 and less; a note above the plot says how many. A group of no values
 * leaves a gap. Throws as `areas` does.
 */
export function percentileAreas(init: PercentileAreasInit): Figure {
  const { groups, percentiles = [1, 10, 25, 50, 75, 90, 99], log = false } = init
  checkPercentiles('percentileAreas', percentiles)
  const shares = percentiles.map((percentile) => percentile / 100)
  const places = groups.map(({ values }) => usable(values, log))
  const found = groups.map(({ values }, i) => quantiles(places[i]!.map((place) => values[place]!), shares)) // prettier-ignore
  const unused = groups.reduce((sum, { values }, i) => sum + values.length - places[i]!.length, 0)
  const labels = groups.map(({ name }) => name)
  const empty = labels.filter((_, i) => places[i]!.length === 0)
  const lines = percentiles.map((percentile, p) => ({ percentile, y: found.map((ofGroup) => ofGroup[p]!) }))
  return drawAreas(
    'percentileAreas',
    { ...init, percentiles: lines, labels },
    joinedNotes(leftOutNote(unused, log), emptyNote(empty)),
  )
}

function drawAreas(verb: string, init: AreasInit, note?: string): Figure {
  const { labels, xTitle, yTitle, unit = '', log = false } = init
  const sorted = [...init.percentiles].sort((a, b) => a.percentile - b.percentile)
  const count = labels?.length ?? sorted[0]?.y.length ?? 0
  checkPercentiles(verb, sorted.map(({ percentile }) => percentile)) // prettier-ignore
  for (const { percentile, y } of sorted) checkLength(verb, `percentile ${percentile}`, y.length, 'places', count)
  if (init.x) checkLength(verb, 'x', init.x.length, 'places', count)
  const x = jsonNumbers(init.x ?? numbered(count).map(Number))
  const below = labels && !init.x ? labelsBelow(labels, xTitle, plotWidth - 100) : undefined
  const margin = { l: Math.max(64, below?.overhang ?? 0), r: 24, t: init.title ? 52 : 28, b: below?.room ?? 48 }
  return {
    data: stretches(count, sorted, log).flatMap((places, i) => stretch(sorted, places, x, unit, i === 0)),
    layout: {
      ...layout('areas', init, Math.max(below ? leastWidth(labels!) : 0, 420), note),
      height: 320 + margin.t + margin.b,
      margin,
      hovermode: 'x unified',
      legend: { traceorder: 'reversed' },
      xaxis: below ? { ...below.axis, range: [-0.25, count - 0.75] } : numberAxis(xTitle),
      yaxis: numberAxis(yTitle ?? unit, log),
    },
  }
}

function checkPercentiles(verb: string, percentiles: readonly number[]): void {
  const wrong = percentiles.find((percentile) => !(percentile >= 0 && percentile <= 100))
  if (wrong === undefined) return
  throw new ArgumentError(`${verb}: a percentile is ${wrong}. It must lie between 0 and 100.`)
}

/** The places without a gap between them, in lists of neighbours: plotly would fill areas across a gap. */
function stretches(count: number, percentiles: AreasInit['percentiles'], log: boolean): number[][] {
  const found: number[][] = []
  const shown = percentiles.map(({ y }) => new Set(usable(y, log)))
  for (let place = 0; place < count; place++) {
    if (!shown.every((places) => places.has(place))) continue
    if (found.at(-1)?.at(-1) === place - 1) found.at(-1)!.push(place)
    else found.push([place])
  }
  return found
}

/** A line for each percentile at these places, each with the area down to the one before. */
function stretch(
  percentiles: AreasInit['percentiles'],
  places: readonly number[],
  x: readonly (number | null)[],
  unit: string,
  showlegend: boolean,
): JsonObject[] {
  const within = new Set(places)
  return percentiles.map(({ percentile, y }, i) => {
    const values = jsonNumbers(y)
    const before = percentiles[i - 1]?.percentile
    const middle = percentile === 50
    const aside = before === undefined ? 1 : Math.abs((before + percentile) / 2 - 50) / 50
    const name = `${percentile} %`
    return {
      type: 'scatter',
      mode: places.length > 1 ? 'lines' : 'lines+markers', // a line through one place cannot be seen
      name,
      legendgroup: name,
      showlegend,
      x,
      y: x.map((_, place) => (within.has(place) ? values[place]! : null)),
      line: { color: middle ? positive : faded(positive, 0.5), width: middle ? 2.5 : 1 },
      ...(before === undefined ? {} : { fill: 'tonexty', fillcolor: faded(positive, 0.08 + 0.42 * (1 - aside)) }),
      marker: { size: middle ? 7 : 4, color: positive },
      hovertemplate: `%{y:.4g} ${templateText(unit)}<extra>${name}</extra>`,
    }
  })
}
