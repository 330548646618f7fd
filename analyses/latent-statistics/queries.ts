/** Latents by a statistic: the top, the bottom, or a range of percentiles; and what a statistic is like in each SAE. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import { Result } from '../../lib/report/result/result.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { mean, variance } from '../../lib/stats/moments.js'
import { quantiles } from '../../lib/stats/quantile.js'
import type { SaeLatents } from '../sae-latents.js'
import { checkStatistics, type LatentStatistics } from './latent-statistics-result.js'
import { RankedLatents, type LatentPlace } from './ranked-latents.js'

/** Which latents `latentsBy` finds. */
export interface LatentQuery {
  /** The largest first, or the smallest. @default 'largest' */
  readonly by?: 'largest' | 'smallest'
  /** How many at most. @default all */
  readonly k?: number
  /** Only latents from one percentile to another, both included, such as [50, 51]. @default [0, 100] */
  readonly percentiles?: readonly [number, number]
  /** Only latents of the SAE at this hook point. @default all SAEs */
  readonly hook?: string
}

const queryNames: OptionNames<LatentQuery> = { by: true, k: true, percentiles: true, hook: true }

/**
 * Latents by one statistic of `latentStatistics` or `latentProperties`, in its order, the earlier of equals first: axes
 * [latent]. Left out are NaN, and latents that add the same to every logit, of which there is no skewness or kurtosis.
 *
 * @example
 * latentsBy(statistics, 'skewness', { percentiles: [49.9, 50.1] }).latents // those in the middle
 * @throws ArgumentError for an unknown statistic or hook point, or percentiles that are none
 */
export function latentsBy(statistics: LatentStatistics, statistic: string, query: LatentQuery = {}): RankedLatents {
  checkOptions('latentsBy', query, queryNames)
  const { by = 'largest', k, percentiles = [0, 100] } = query
  checkCounts('latentsBy', { k })
  checkPercentiles(percentiles)
  const all = saesAt('latentsBy', statistics, query.hook).flatMap(statisticOf('latentsBy', statistics, statistic))
  const [low = NaN, high = NaN] = quantiles(
    all.map(({ value }) => value),
    percentiles.map((p) => p / 100),
  )
  const sign = by === 'largest' ? -1 : 1
  const inRange = all.filter(({ value }) => value >= low && value <= high)
  const found = inRange.sort((a, b) => sign * (a.value - b.value)).slice(0, k)
  return new RankedLatents({
    kind: 'ranked latents',
    title: `latents of the ${by} ${statistic}`,
    unit: '',
    values: Float32Array.from(found, ({ value }) => value),
    axes: [{ name: 'latent', labels: found.map(({ label }) => label) }],
    provenance: statistics.provenance,
    extra: { statistic, places: found.map(({ hook, layer, latent }) => ({ hook, layer, latent })) },
  })
}

/** Percentiles that `summarizeStatistic` gives. */
export const summaryPercentiles = [1, 5, 10, 25, 50, 75, 90, 95, 99] as const

/**
 * A statistic over the latents of each SAE: axes [sae, quantity], with count, mean, std (of a sample, divided by
 * n − 1), min, percentiles 1% to 99% (interpolated) and max. Left out is what `latentsBy` leaves out.
 *
 * @example summarizeStatistic(statistics, 'skewness').select('quantity', '50%').print()
 * @throws ArgumentError as `latentsBy`
 */
export function summarizeStatistic(statistics: LatentStatistics, statistic: string): Result {
  const saes = saesAt('summarizeStatistic', statistics)
  const valuesIn = statisticOf('summarizeStatistic', statistics, statistic)
  const rows = saes.map((sae) => {
    const values = valuesIn(sae).map(({ value }) => value)
    const n = values.length
    const [min = NaN, ...others] = quantiles(values, [0, ...summaryPercentiles.map((p) => p / 100), 1])
    return [n, mean(values), Math.sqrt((variance(values) * n) / (n - 1)), min, ...others]
  })
  return new Result({
    kind: 'summary of a statistic',
    title: `${statistic} of latents`,
    unit: '',
    values: Float32Array.from(rows.flat()),
    axes: [
      { name: 'sae', labels: saes.map(({ hook }) => hook) },
      { name: 'quantity', labels: ['count', 'mean', 'std', 'min', ...summaryPercentiles.map((p) => `${p}%`), 'max'] },
    ],
    provenance: statistics.provenance,
    extra: { layers: saes.map(({ layer }) => layer), statistic },
  })
}

/** A latent with its value of a statistic. */
export interface LatentValue extends LatentPlace {
  /** As on the axis of latents. */
  readonly label: string
  readonly value: number
}

/** The latents of an SAE that have a value of the statistic, as a function of the SAE. @throws ArgumentError */
export function statisticOf(
  verb: string,
  { axes, values }: LatentStatistics,
  statistic: string,
): (sae: SaeLatents) => LatentValue[] {
  const [labels = [], names = []] = axes.map((axis) => axis.labels)
  const column = names.indexOf(statistic)
  if (column < 0) {
    const hint = didYouMean(statistic, names)
    throw new ArgumentError(`${verb}: there is no statistic '${statistic}'.${hint} There are ${names.join(', ')}.`)
  }
  const std = ['skewness', 'kurtosis'].includes(statistic) ? names.indexOf('std') : -1
  return ({ hook, layer, first, latents }) =>
    latents.flatMap((latent, i) => {
      const row = (first + i) * names.length
      const value = values[row + column] ?? NaN
      const undefinedThere = std >= 0 && values[row + std] === 0
      if (Number.isNaN(value) || undefinedThere) return []
      return [{ hook, layer, latent, label: labels[first + i] ?? String(latent), value }]
    })
}

/** The SAEs of statistics, or the one at a hook point. @throws ArgumentError */
export function saesAt(verb: string, statistics: LatentStatistics, hook?: string): readonly SaeLatents[] {
  checkStatistics(verb, statistics)
  const { saes } = statistics
  const found = saes.filter((sae) => hook === undefined || sae.hook === hook)
  if (found.length > 0 || hook === undefined) return found
  const hooks = saes.map((sae) => sae.hook)
  const hint = didYouMean(hook, hooks)
  throw new ArgumentError(`${verb}: there is no SAE at '${hook}'.${hint} The result has ${hooks.join(', ')}.`)
}

function checkPercentiles(range: readonly [number, number]): void {
  const [low, high] = range
  if (range.length === 2 && low >= 0 && high <= 100 && low <= high) return
  throw new ArgumentError(
    `latentsBy: percentiles is [${range.join(', ')}]. Give two numbers from 0 to 100, the smaller first.`,
  )
}
