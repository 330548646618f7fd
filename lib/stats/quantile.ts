/** Quantiles by linear interpolation (type 7 of Hyndman and Fan 1996, the default of numpy and R). */
import { ArgumentError } from '../errors/errors.js'

/**
 * The `q`-quantile (0 the smallest, 0.5 the median, 1 the largest); NaN of no values or when one is NaN.
 * @throws ArgumentError when q is not in [0, 1].
 */
export function quantile(values: ArrayLike<number>, q: number): number {
  const [value = NaN] = quantiles(values, [q])
  return value
}

/** Several quantiles of one list, which is sorted once. @throws ArgumentError as `quantile` */
export function quantiles(values: ArrayLike<number>, qs: readonly number[]): number[] {
  const wrong = qs.find((q) => !(q >= 0 && q <= 1))
  if (wrong !== undefined) throw new ArgumentError(`quantile: q is ${wrong}. It must lie between 0 and 1.`)
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0 || Number.isNaN(sorted[sorted.length - 1])) return qs.map(() => NaN)
  return qs.map((q) => ofSorted(sorted, q))
}

function ofSorted(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1)
  const [below = NaN, above = NaN] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]]
  return below === above ? below : below + (above - below) * (position % 1)
}
