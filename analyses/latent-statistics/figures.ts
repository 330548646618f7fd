/** Figures of latents' statistics: how a statistic is distributed, two against each other, and layer by layer. */
import { animatedScatter } from '../../lib/report/figure/animated.js'
import { percentileAreas } from '../../lib/report/figure/areas.js'
import { boxPlot } from '../../lib/report/figure/box.js'
import type { LogAxes } from '../../lib/report/figure/usable.js'
import { histogram, lines, scatter, type Figure } from '../../lib/report/figure/figure.js'
import type { Result } from '../../lib/report/result/result.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { chosen, summarizeStatistic, valuesOf } from './queries.js'
import { saesOf, type SaeLatents } from './latent-statistics.js'

export interface StatisticFigureOptions {
  /** Only latents of the SAE at this hook point. @default all SAEs */
  readonly hook?: string
}

/** How many latents have which value of a statistic. @throws ArgumentError as `latentsBy` */
export function statisticHistogram(
  statistics: Result,
  statistic: string,
  { hook, bins, log }: StatisticFigureOptions & { readonly bins?: number; readonly log?: LogAxes } = {},
): Figure {
  const values = chosen('statisticHistogram', statistics, hook).flatMap((sae) =>
    valuesOf('statisticHistogram', statistics, statistic, sae).map(({ value }) => value),
  )
  return histogram({ title: `${statistic} of ${values.length} latents${measured(statistics)}`, values, bins, log, xTitle: statistic, yTitle: 'latents' }) // prettier-ignore
}

/**
 * Each latent as a point, by two statistics. On a logarithmic axis values of 0 and less are left out, which a note says.
 * @param options.log which axes are logarithmic @default none
 * @param options.points at most; of more latents evenly spaced ones are drawn @default 5000
 * @throws ArgumentError as `latentsBy`
 */
export function statisticScatter(
  statistics: Result,
  x: string,
  y: string,
  {
    hook,
    log,
    points: most = 5000,
  }: StatisticFigureOptions & { readonly log?: LogAxes; readonly points?: number } = {},
): Figure {
  if (!Number.isInteger(most) || most < 1) throw new ArgumentError(`statisticScatter: points is ${most}. It must be a whole number from 1.`) // prettier-ignore
  const all = chosen('statisticScatter', statistics, hook).flatMap((sae) => pointsOf('statisticScatter', statistics, x, y, sae)) // prettier-ignore
  const share = Math.min(1, most / all.length)
  const points = all.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share))
  const count = share < 1 ? `${points.length} of ${all.length}` : all.length
  return scatter({
    title: `${y} against ${x} of ${count} latents${measured(statistics)}`,
    x: points.map((p) => p.x),
    y: points.map((p) => p.y),
    labels: points.map(({ label }) => label),
    xTitle: x,
    yTitle: y,
    log,
  })
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
  checkSeveral('statisticByLayer', saesOf('statisticByLayer', statistics))
  const labels = summary.axes[0]!.labels.map(shortHook)
  const series = [...percentiles].reverse().map((name) => ({ name, y: summary.select('quantity', name).values }))
  return lines({
    title: `percentiles of ${statistic} of latents${measured(statistics)}`,
    series,
    labels,
    yTitle: statistic,
  })
}

/**
 * A box for the latents of each SAE, and the latents far from it by name.
 * @param options.log a logarithmic axis, without values of 0 and less @default false
 * @throws ArgumentError as `latentsBy`
 */
export function statisticBoxes(
  statistics: Result,
  statistic: string,
  options: { readonly log?: boolean } = {},
): Figure {
  const groups = chosen('statisticBoxes', statistics, undefined).map((sae) => {
    const values = valuesOf('statisticBoxes', statistics, statistic, sae)
    return {
      name: shortHook(sae.hook),
      values: values.map(({ value }) => value),
      labels: values.map(({ hook, latent }) => `${shortHook(hook)} latent ${latent}`),
    }
  })
  return boxPlot({ title: `${statistic} of latents${measured(statistics)}`, groups, yTitle: statistic, log: options.log }) // prettier-ignore
}

/**
 * Percentiles of a statistic over the latents of each SAE, as areas about the median from SAE to SAE.
 * @param options.log a logarithmic axis, without values of 0 and less @default false
 * @throws ArgumentError as `latentsBy`, or for a result with one SAE
 */
export function statisticAreas(
  statistics: Result,
  statistic: string,
  options: { readonly log?: boolean } = {},
): Figure {
  const saes = chosen('statisticAreas', statistics, undefined)
  checkSeveral('statisticAreas', saes)
  const values = (sae: SaeLatents) => valuesOf('statisticAreas', statistics, statistic, sae).map(({ value }) => value)
  const groups = saes.map((sae) => ({ name: shortHook(sae.hook), values: values(sae) }))
  const title = `percentiles of ${statistic} of latents${measured(statistics)}`
  return percentileAreas({ title, groups, yTitle: statistic, log: options.log })
}

/**
 * Each latent as a point, by two statistics, one SAE after the other.
 * @param options.log which axes are logarithmic @default none
 * @param options.points of each SAE at most, chosen at random @default 1000
 * @throws ArgumentError as `latentsBy`
 */
export function statisticAnimation(
  statistics: Result,
  x: string,
  y: string,
  options: { readonly log?: LogAxes; readonly points?: number } = {},
): Figure {
  const frames = chosen('statisticAnimation', statistics, undefined).map((sae) => {
    const points = pointsOf('statisticAnimation', statistics, x, y, sae)
    return {
      name: shortHook(sae.hook),
      x: points.map((p) => p.x),
      y: points.map((p) => p.y),
      labels: points.map(({ label }) => label),
    }
  })
  const title = `${y} against ${x} of latents, SAE by SAE${measured(statistics)}`
  return animatedScatter({ ...options, title, frames, frameTitle: 'SAE', xTitle: x, yTitle: y })
}

/** The latents of an SAE that have both statistics. */
function pointsOf(verb: string, statistics: Result, x: string, y: string, sae: SaeLatents) {
  const [across, up] = [x, y].map((name) => valuesOf(verb, statistics, name, sae))
  const upOf = new Map(up!.map(({ latent, value }) => [latent, value]))
  return across!.flatMap(({ hook, latent, value }) =>
    upOf.has(latent) ? [{ label: `${hook} latent ${latent}`, x: value, y: upOf.get(latent)! }] : [],
  )
}

function checkSeveral(verb: string, saes: readonly SaeLatents[]): void {
  if (saes.length > 1) return
  throw new ArgumentError(`${verb}: the result has one SAE, at ${saes[0]!.hook}. Give one of a view with several, or draw statisticHistogram.`) // prettier-ignore
}

/** What a title adds for statistics by cosine. */
function measured({ extra }: Result): string {
  return extra['cosine'] ? ', columns of W_U of norm 1' : ''
}

/** `blocks.2.hook_resid_pre` as `2.resid_pre`, so that the names of many layers fit below a figure. */
function shortHook(hook: string): string {
  return hook.replace(/^blocks\./, '').replace('hook_', '')
}
