/** Correlation of two lists of numbers: Pearson's r and Spearman's rank correlation. */
import { ArgumentError } from '../errors/errors.js'
import { mean } from './moments.js'

/**
 * Pearson's r, in [-1, 1]. NaN when it is undefined: fewer than two pairs, a list of equal values, or a NaN among
 * them; a report shows that as "none", never as 0.
 *
 * @example pearson([1, 2, 3], [2, 4, 7]) // 0.993
 * @throws ArgumentError when the lists differ in length
 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPairs('pearson', x, y)
  if (x.length < 2 || isConstant(x) || isConstant(y)) return NaN
  const [meanX, meanY] = [mean(x), mean(y)]
  let [xy, xx, yy] = [0, 0, 0]
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [(x[i] ?? NaN) - meanX, (y[i] ?? NaN) - meanY]
    xy += dx * dy
    xx += dx * dx
    yy += dy * dy
  }
  return clampToUnit(xy / Math.sqrt(xx * yy))
}

/**
 * Spearman's rho: Pearson's r of the ranks, equal values sharing the mean of their ranks. NaN as for `pearson`.
 *
 * @example spearman([1, 2, 3], [2, 4, 70]) // 1
 * @throws ArgumentError when the lists differ in length
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPairs('spearman', x, y)
  return pearson(ranks(x), ranks(y))
}

/** Rank of each value, from 1; equal values share the mean of their ranks. All NaN when a value is NaN. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const result = new Float64Array(values.length)
  const sorted = Float64Array.from(values).sort() // NaN, having no rank, sorts last
  if (Number.isNaN(sorted[sorted.length - 1])) return result.fill(NaN)
  const valueOf = (i: number | undefined) => values[i ?? 0] ?? NaN
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => valueOf(a) - valueOf(b))
  for (let start = 0; start < order.length;) {
    let end = start + 1
    while (end < order.length && valueOf(order[end]) === valueOf(order[start])) end++
    const shared = (start + 1 + end) / 2
    for (const i of order.subarray(start, end)) result[i] = shared
    start = end
  }
  return result
}

function checkPairs(verb: string, x: ArrayLike<number>, y: ArrayLike<number>): void {
  if (x.length === y.length) return
  throw new ArgumentError(`${verb}: x has ${x.length} values and y has ${y.length}. Each x needs its y.`)
}

/** Compared value by value: the mean of equal floats may differ from them by a rounding error. */
function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false
  return true
}

/** Takes off the rounding error beyond ±1; NaN stays NaN. */
function clampToUnit(r: number): number {
  return Math.max(-1, Math.min(1, r))
}
