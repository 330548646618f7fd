/** What a box plot shows of some numbers: quartiles, whiskers and outliers, after Tukey. */
import { quantiles } from './quantile.js'

export interface BoxSummary {
  readonly q1: number
  readonly median: number
  readonly q3: number
  /** The smallest number that lies at most 1.5 interquartile ranges below q1: the end of the lower whisker. */
  readonly low: number
  /** The largest number that lies at most 1.5 interquartile ranges above q3: the end of the upper whisker. */
  readonly high: number
  /** Places of the numbers below `low`, the smallest first. */
  readonly below: readonly number[]
  /** Places of the numbers above `high`, the smallest first. */
  readonly above: readonly number[]
}

/** The summary; quartiles are those of `quantiles`. All NaN when there is no number or one is NaN. */
export function boxSummary(values: ArrayLike<number>): BoxSummary {
  const [q1, median, q3] = quantiles(values, [0.25, 0.5, 0.75]) as [number, number, number]
  const [lowest, highest] = [q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)]
  // A quartile lies between two numbers, so that with few of them none may stand between it and the fence.
  let [low, high] = [q1, q3]
  const [below, above]: [number[], number[]] = [[], []]
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN
    if (value < lowest) below.push(i)
    else if (value > highest) above.push(i)
    else [low, high] = [Math.min(low, value), Math.max(high, value)]
  }
  const ascending = (a: number, b: number) => (values[a] ?? NaN) - (values[b] ?? NaN) || a - b
  return { q1, median, q3, low, high, below: below.sort(ascending), above: above.sort(ascending) }
}
