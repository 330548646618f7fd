/** Figures of latents' statistics: how a statistic is distributed, two against each other, and layer by layer. */
import { animatedScatter } from '../../lib/report/figure/animated.js'
import { percentileAreas } from '../../lib/report/figure/areas.js'
import { boxPlot } from '../../lib/report/figure/box.js'
import type { LogAxes } from '../../lib/report/figure/usable.js'
import { histogram, lines, scatter, type Figure } from '../../lib/report/figure/figure.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { SaeLatents } from '../sae-latents.js'
import type { LatentStatistics } from './latent-statistics-result.js'
import { saesAt, statisticOf, summarizeStatistic } from './queries.js'

/** What `statisticHistogram` draws. */
export interface StatisticHistogramOptions {
  /** Only latents of the SAE at this hook point. @default all SAEs */
  readonly hook?: string
  /** @default as many as the figure finds good */
  readonly bins?: number
  /** Which axes are logarithmic. @default none */
  readonly log?: LogAxes
}

/**
 * How many latents have which value of a statistic.
 *
 * @example statisticHistogram(statistics, 'skewness', { bins: 40 })
 * @throws ArgumentError as `latentsBy`
 */
export function statisticHistogram(
  statistics: LatentStatistics,
  statistic: string,
  options: StatisticHistogramOptions = {},
): Figure {
  checkOptions('statisticHistogram', options, { hook: true, bins: true, log: true })
  const { hook, bins, log } = options
  const saes = saesAt('statisticHistogram', statistics, hook)
  const found = saes.flatMap(statisticOf('statisticHistogram', statistics, statistic))
  const values = found.map(({ value }) => value)
  const title = `${statistic} of ${values.length} latents${measured(statistics)}`
  return histogram({ title, values, bins, log, xTitle: statistic, yTitle: 'latents' })
}

/** What `statisticScatter` draws. */
export interface StatisticScatterOptions {
  /** The statistics of the two axes. */
  readonly x: string
  readonly y: string
  /** Only latents of the SAE at this hook point. @default all SAEs */
  readonly hook?: string
  /** Which axes are logarithmic: values of 0 and less are left out there, which a note says. @default none */
  readonly log?: LogAxes
  /** Points at most; of more latents evenly spaced ones are drawn. @default 5000 */
  readonly points?: number
}

const scatterNames: OptionNames<StatisticScatterOptions> = { x: true, y: true, hook: true, log: true, points: true }

/**
 * Each latent as a point, by two statistics.
 *
 * @example statisticScatter(statistics, { x: 'std', y: 'kurtosis', log: 'xy' })
 * @throws ArgumentError as `latentsBy`
 */
export function statisticScatter(statistics: LatentStatistics, options: StatisticScatterOptions): Figure {
  checkOptions('statisticScatter', options, scatterNames)
  const { x, y, hook, log, points: most = 5000 } = options
  if (!Number.isInteger(most) || most < 1) {
    throw new ArgumentError(`statisticScatter: points is ${most}. It must be a whole number from 1.`)
  }
  const all = saesAt('statisticScatter', statistics, hook).flatMap(pointsOf('statisticScatter', statistics, { x, y }))
  const share = Math.min(1, most / all.length)
  const points = all.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share))
  const count = share < 1 ? `${points.length} of ${all.length}` : all.length
  const title = `${y} against ${x} of ${count} latents${measured(statistics)}`
  return scatter({ title, ...columnsOf(points), xTitle: x, yTitle: y, log })
}

const shownPercentiles = ['1%', '10%', '50%', '90%', '99%'] as const

/**
 * Percentiles of a statistic in each SAE, one line a percentile.
 *
 * @param percentiles of those that `summarizeStatistic` has @default 1%, 10%, 50%, 90% and 99%
 * @example statisticByLayer(joinStatistics(parts), 'skewness', ['25%', '50%', '75%'])
 * @throws ArgumentError as `latentsBy`, or for a result with one SAE
 */
export function statisticByLayer(
  statistics: LatentStatistics,
  statistic: string,
  percentiles: readonly ('1%' | '5%' | '10%' | '25%' | '50%' | '75%' | '90%' | '95%' | '99%')[] = shownPercentiles,
): Figure {
  const saes = saesAt('statisticByLayer', statistics)
  const summary = summarizeStatistic(statistics, statistic)
  checkSeveral('statisticByLayer', saes)
  const series = [...percentiles].reverse().map((name) => ({ name, y: summary.select('quantity', name).values }))
  const title = `percentiles of ${statistic} of latents${measured(statistics)}`
  return lines({ title, series, labels: saes.map(shortHook), yTitle: statistic })
}

/** How `statisticBoxes` and `statisticAreas` draw. */
export interface StatisticBoxOptions {
  /** A logarithmic axis, without values of 0 and less. @default false */
  readonly log?: boolean
}

/**
 * A box for the latents of each SAE, and the latents far from it by name.
 *
 * @example statisticBoxes(joinStatistics(parts), 'kurtosis', { log: true })
 * @throws ArgumentError as `latentsBy`
 */
export function statisticBoxes(
  statistics: LatentStatistics,
  statistic: string,
  options: StatisticBoxOptions = {},
): Figure {
  checkOptions('statisticBoxes', options, { log: true })
  const saes = saesAt('statisticBoxes', statistics)
  const valuesIn = statisticOf('statisticBoxes', statistics, statistic)
  const groups = saes.map((sae) => {
    const values = valuesIn(sae)
    const labels = values.map(({ latent }) => `${shortHook(sae)} latent ${latent}`)
    return { name: shortHook(sae), values: values.map(({ value }) => value), labels }
  })
  const title = `${statistic} of latents${measured(statistics)}`
  return boxPlot({ title, groups, yTitle: statistic, log: options.log })
}

/**
 * Percentiles of a statistic over the latents of each SAE, as areas about the median from SAE to SAE.
 *
 * @example statisticAreas(joinStatistics(parts), 'std')
 * @throws ArgumentError as `latentsBy`, or for a result with one SAE
 */
export function statisticAreas(
  statistics: LatentStatistics,
  statistic: string,
  options: StatisticBoxOptions = {},
): Figure {
  checkOptions('statisticAreas', options, { log: true })
  const saes = saesAt('statisticAreas', statistics)
  checkSeveral('statisticAreas', saes)
  const valuesIn = statisticOf('statisticAreas', statistics, statistic)
  const groups = saes.map((sae) => ({ name: shortHook(sae), values: valuesIn(sae).map(({ value }) => value) }))
  const title = `percentiles of ${statistic} of latents${measured(statistics)}`
  return percentileAreas({ title, groups, yTitle: statistic, log: options.log })
}

/** What `statisticAnimation` draws. */
export interface StatisticAnimationOptions extends Omit<StatisticScatterOptions, 'hook'> {
  /** Points of each SAE at most, chosen at random. @default 1000 */
  readonly points?: number
}

/**
 * Each latent as a point, by two statistics, one SAE after the other.
 *
 * @example statisticAnimation(joinStatistics(parts), { x: 'std', y: 'kurtosis' })
 * @throws ArgumentError as `latentsBy`
 */
export function statisticAnimation(statistics: LatentStatistics, options: StatisticAnimationOptions): Figure {
  checkOptions('statisticAnimation', options, { x: true, y: true, log: true, points: true })
  const { x, y, ...drawing } = options
  const pointsIn = pointsOf('statisticAnimation', statistics, { x, y })
  const saes = saesAt('statisticAnimation', statistics)
  const frames = saes.map((sae) => ({ name: shortHook(sae), ...columnsOf(pointsIn(sae)) }))
  const title = `${y} against ${x} of latents, SAE by SAE${measured(statistics)}`
  return animatedScatter({ ...drawing, title, frames, frameTitle: 'SAE', xTitle: x, yTitle: y })
}

interface Point {
  readonly label: string
  readonly x: number
  readonly y: number
}

/** The latents of an SAE that have both statistics, as a function of the SAE. */
function pointsOf(
  verb: string,
  statistics: LatentStatistics,
  { x, y }: { readonly x: string; readonly y: string },
): (sae: SaeLatents) => Point[] {
  const [across, up] = [statisticOf(verb, statistics, x), statisticOf(verb, statistics, y)]
  return (sae) => {
    const upOf = new Map(up(sae).map(({ latent, value }) => [latent, value]))
    return across(sae).flatMap(({ hook, latent, value }) => {
      const above = upOf.get(latent)
      return above === undefined ? [] : [{ label: `${hook} latent ${latent}`, x: value, y: above }]
    })
  }
}

function columnsOf(points: readonly Point[]): { x: number[]; y: number[]; labels: string[] } {
  return { x: points.map(({ x }) => x), y: points.map(({ y }) => y), labels: points.map(({ label }) => label) }
}

function checkSeveral(verb: string, saes: readonly SaeLatents[]): void {
  if (saes.length > 1) return
  const hooks = saes.map(({ hook }) => hook).join()
  throw new ArgumentError(
    `${verb}: the result has one SAE, at ${hooks}. Give one of a view with several, or draw statisticHistogram.`,
  )
}

/** What a title adds for statistics by cosine. */
const measured = ({ cosine }: LatentStatistics): string => (cosine ? ', columns of W_U of norm 1' : '')

/** `blocks.2.hook_resid_pre` as `2.resid_pre`, so that the names of many layers fit below a figure. */
const shortHook = ({ hook }: SaeLatents): string => hook.replace(/^blocks\./, '').replace('hook_', '')
