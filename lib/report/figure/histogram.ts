/** Histograms: how many values fall in each of some bins, on plain or logarithmic axes. */
import { countInBins } from '../../stats/count-in-bins.js'
import { numberAxis } from './axis.js'
import { layout, positive, type Figure, type Titles } from './parts.js'
import { leftOutNote, usable, type LogAxes } from './usable.js'

export interface HistogramInit extends Titles {
  readonly values: ArrayLike<number>
  /** @default 50 */
  readonly bins?: number
  readonly range?: readonly [number, number]
  /**
   * Which axes are logarithmic: 'x' makes bins of equal width by the logarithm and leaves out values of 0 and less, 'y'
   * is the axis of counts. @default none
   */
  readonly log?: LogAxes
}

/**
 * How many values fall in each of some bins of equal width. Values that no bin can hold are counted in a note.
 * Throws as `histogram` of lib/stats does.
 */
export function histogram(init: HistogramInit): Figure {
  const { values, bins = 50, range, log = '', xTitle, unit } = init
  const [byLog, logCounts] = [log.includes('x'), log.includes('y')]
  const fitting = usable(values, byLog)
  const [there, back] = byLog ? [Math.log10, (power: number) => 10 ** power] : [same, same]
  const { edges: steps, counts } = countInBins(
    fitting.map((i) => there(values[i]!)),
    bins,
    range && [there(range[0]), there(range[1])],
  )
  const edges = steps.map(back)
  const trace = {
    type: 'bar',
    x: counts.map((_, i) => (edges[i]! + edges[i + 1]!) / 2), // on a logarithmic axis too: plotly adds half a width
    y: counts,
    width: byLog ? counts.map((_, i) => edges[i + 1]! - edges[i]!) : edges[1]! - edges[0]!,
    customdata: counts.map((_, i) => [edges[i]!, edges[i + 1]!]),
    marker: { color: positive },
    hovertemplate: '%{customdata[0]:.4g} to %{customdata[1]:.4g}<br><b>%{y}</b><extra></extra>',
  }
  // From a half, so that a bin of one value has a bar.
  const countRange = { range: [Math.log10(0.5), Math.log10(Math.max(1, ...counts)) + 0.1] }
  return {
    data: [trace],
    layout: {
      ...layout('histogram', init, undefined, leftOutNote(values.length - fitting.length, byLog)),
      height: 340,
      margin: { l: 64, r: 24, t: init.title ? 52 : 28, b: 52 },
      bargap: 0.04,
      xaxis: numberAxis(xTitle ?? unit, byLog),
      yaxis: { ...numberAxis(init.yTitle ?? 'count', logCounts), ...(logCounts ? countRange : {}) },
    },
  }
}

function same(value: number): number {
  return value
}
