/** Figures of latents' statistics: how a statistic is distributed, two against each other, and layer by layer. */
import { histogram, lines, scatter, type Figure } from '../lib/report/figure.js'
import type { Result } from '../lib/report/result.js'
import { ArgumentError } from '../lib/errors.js'
import { chosen, summarizeStatistic, valuesOf } from './latent-statistics-queries.js'

export interface StatisticFigureOptions {
  /** Only latents of the SAE at this hook point. @default all SAEs */
  readonly hook?: string
}

/** How many latents have which value of a statistic. @throws ArgumentError as `latentsBy` */
export function statisticHistogram(
  statistics: Result,
  statistic: string,
  { hook, bins }: StatisticFigureOptions & { readonly bins?: number } = {},
): Figure {
  const values = chosen('statisticHistogram', statistics, hook).flatMap((sae) =>
    valuesOf('statisticHistogram', statistics, statistic, sae).map(({ value }) => value),
  )
  return histogram({ title: `${statistic} of ${values.length} latents${measured(statistics)}`, values, bins, xTitle: statistic, yTitle: 'latents' }) // prettier-ignore
}

/**
 * Each latent as a point, by two statistics. On a logarithmic axis values of 0 and less are left out.
 * @param options.log which axes are logarithmic @default none
 * @throws ArgumentError as `latentsBy`
 */
export function statisticScatter(
  statistics: Result,
  x: string,
  y: string,
  { hook, log = '' }: StatisticFigureOptions & { readonly log?: '' | 'x' | 'y' | 'xy' } = {},
): Figure {
  const points = chosen('statisticScatter', statistics, hook).flatMap((sae) => {
    const [across, up] = [x, y].map((name) => valuesOf('statisticScatter', statistics, name, sae))
    const upOf = new Map(up!.map(({ latent, value }) => [latent, value]))
    return across!.flatMap(({ hook, latent, value }) =>
      upOf.has(latent) ? [{ label: `${hook} latent ${latent}`, x: value, y: upOf.get(latent)! }] : [],
    )
  })
  const shown = points.filter((p) => !(log.includes('x') && p.x <= 0) && !(log.includes('y') && p.y <= 0))
  const figure = scatter({
    title: `${y} against ${x} of ${shown.length} latents${measured(statistics)}`,
    x: shown.map((p) => p.x),
    y: shown.map((p) => p.y),
    labels: shown.map(({ label }) => label),
    xTitle: x,
    yTitle: y,
  })
  const axis = (name: 'x' | 'y') => ({ ...(figure.layout[`${name}axis`] as object), ...(log.includes(name) && { type: 'log' }) }) // prettier-ignore
  return { ...figure, layout: { ...figure.layout, xaxis: axis('x'), yaxis: axis('y') } }
}

/**
 * Percentiles of a statistic in each SAE, one line a percentile.
 * @throws ArgumentError as `latentsBy`, or for a result with one SAE
 */
export function statisticByLayer(
  statistics: Result,
  statistic: string,
  percentiles: readonly ('1%' | '5%' | '10%' | '25%' | '50%' | '75%' | '90%' | '95%' | '99%')[] = ['1%', '10%', '50%', '90%', '99%'], // prettier-ignore
): Figure {
  const summary = summarizeStatistic(statistics, statistic)
  const labels = summary.axes[0]!.labels.map(shortHook)
  if (labels.length < 2) {
    throw new ArgumentError(`statisticByLayer: the result has one SAE, at ${summary.axes[0]!.labels[0]}. Give one of a view with several, or draw statisticHistogram.`) // prettier-ignore
  }
  const series = [...percentiles].reverse().map((name) => ({ name, y: summary.select('quantity', name).values }))
  return lines({
    title: `percentiles of ${statistic} of latents${measured(statistics)}`,
    series,
    labels,
    yTitle: statistic,
  })
}

/** What a title adds for statistics by cosine. */
function measured({ extra }: Result): string {
  return extra['cosine'] ? ', columns of W_U of norm 1' : ''
}

/** `blocks.2.hook_resid_pre` as `2.resid_pre`, so that the names of many layers fit below a figure. */
function shortHook(hook: string): string {
  return hook.replace(/^blocks\./, '').replace('hook_', '')
}
