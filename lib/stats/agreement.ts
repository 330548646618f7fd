/** How well two lists of numbers agree: correlations and changes. */
import { pearson, spearman } from './correlation.js'

/** How two lists of numbers agree, pairs with a value that is not finite left out. */
export interface Agreement {
  readonly pairs: number
  /** NaN where it is undefined: fewer than two pairs, or all of one value. */
  readonly pearson: number
  readonly spearman: number
  /** Of |b − a|; NaN without a pair. */
  readonly meanChange: number
  readonly largestChange: number
}

/** How two lists of one length agree. */
export function agreement(a: Float32Array, b: Float32Array): Agreement {
  const [x, y] = finitePairs(a, b)
  let [sum, largest] = [0, NaN]
  for (const [i, value] of x.entries()) {
    const change = Math.abs((y[i] ?? NaN) - value)
    sum += change
    if (!(change <= largest)) largest = change
  }
  const meanChange = sum / x.length
  return { pairs: x.length, pearson: pearson(x, y), spearman: spearman(x, y), meanChange, largestChange: largest }
}

/** Both lists without the places where one is NaN or infinite. */
export function finitePairs(a: Float32Array, b: Float32Array): [Float32Array, Float32Array] {
  const both = (_: number, i: number) => Number.isFinite(a[i]) && Number.isFinite(b[i])
  return [a.filter(both), b.filter(both)]
}
