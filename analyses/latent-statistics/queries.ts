/** Latents by a statistic: the top, the bottom, or a range of percentiles; and what a statistic is like in each SAE. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { Result } from '../../lib/report/result/result.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { mean, variance } from '../../lib/stats/moments.js'
import { quantiles } from '../../lib/stats/quantile.js'
import { saesOf, type SaeLatents } from './latent-statistics.js'

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

export interface LatentValue {
  readonly hook: string
  readonly layer: number
  readonly latent: number
  readonly value: number
}

/**
 * Latents by one statistic of `latentStatistics` or `latentProperties`, in its order, the earlier of equals first. Left
 * out are NaN, and latents that add the same to every logit, of which there is no skewness or kurtosis.
 * @throws ArgumentError for an unknown statistic or hook point, or percentiles that are none
 */
export function latentsBy(statistics: Result, statistic: string, query: LatentQuery = {}): LatentValue[] {
  const { by = 'largest', k, percentiles = [0, 100] } = query
  checkCounts('latentsBy', { k })
  checkPercentiles(percentiles)
  const all = chosen('latentsBy', statistics, query.hook).flatMap((sae) => valuesOf('latentsBy', statistics, statistic, sae)) // prettier-ignore
  const [low, high] = quantiles(all.map(({ value }) => value), percentiles.map((p) => p / 100)) // prettier-ignore
  const sign = by === 'largest' ? -1 : 1
  const inRange = all.filter(({ value }) => value >= low! && value <= high!)
  return inRange.sort((a, b) => sign * (a.value - b.value)).slice(0, k)
}

/** Percentiles that `summarizeStatistic` gives. */
export const summaryPercentiles = [1, 5, 10, 25, 50, 75, 90, 95, 99] as const

/**
 * A statistic over the latents of each SAE: axes [sae, quantity], with count, mean, std (of a sample, divided by n − 1),
 * min, percentiles 1% to 99% (interpolated) and max. Left out is what `latentsBy` leaves out.
 * @throws ArgumentError as `latentsBy`
 */
export function summarizeStatistic(statistics: Result, statistic: string): Result {
  const saes = saesOf('summarizeStatistic', statistics)
  const rows = saes.map((sae) => {
    const values = valuesOf('summarizeStatistic', statistics, statistic, sae).map(({ value }) => value)
    const n = values.length
    const [min, ...others] = quantiles(values, [0, ...summaryPercentiles.map((p) => p / 100), 1])
    return [n, mean(values), Math.sqrt((variance(values) * n) / (n - 1)), min!, ...others]
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

/** The latents of an SAE with a value of the statistic. */
export function valuesOf(verb: string, result: Result, statistic: string, sae: SaeLatents): LatentValue[] {
  const labels = result.axes[1]?.labels ?? []
  const column = labels.indexOf(statistic)
  if (column < 0) {
    throw new ArgumentError(`${verb}: there is no statistic '${statistic}'.${didYouMean(statistic, labels)} There are ${labels.join(', ')}.`) // prettier-ignore
  }
  const std = ['skewness', 'kurtosis'].includes(statistic) ? labels.indexOf('std') : -1
  return sae.latents.flatMap((latent, i) => {
    const row = (sae.first + i) * labels.length
    const value = result.values[row + column]!
    const undefinedThere = std >= 0 && result.values[row + std] === 0
    return Number.isNaN(value) || undefinedThere ? [] : [{ hook: sae.hook, layer: sae.layer, latent, value }]
  })
}

/** The SAEs asked for. */
export function chosen(verb: string, result: Result, hook: string | undefined): readonly SaeLatents[] {
  const saes = saesOf(verb, result)
  if (hook === undefined) return saes
  const hooks = saes.map((sae) => sae.hook)
  const found = saes.filter((sae) => sae.hook === hook)
  if (found.length > 0) return found
  throw new ArgumentError(`${verb}: there is no SAE at '${hook}'.${didYouMean(hook, hooks)} The result has ${hooks.join(', ')}.`) // prettier-ignore
}

function checkPercentiles(range: readonly [number, number]): void {
  const [low, high] = range
  if (range.length === 2 && low >= 0 && high <= 100 && low <= high) return
  throw new ArgumentError(`latentsBy: percentiles is [${range.join(', ')}]. Give two numbers from 0 to 100, the smaller first.`) // prettier-ignore
}
