/** Counts of values in bins of equal width. */
import { ArgumentError } from '../errors/errors.js'

/** How many values lie in each bin. */
export interface BinCounts {
  /** Bin borders, ascending, one more than bins. */
  readonly edges: readonly number[]
  /** How many values fell in each bin: lower border included, upper one not, but in the last bin. */
  readonly counts: readonly number[]
  /** How many values were left out: NaN, infinite, or outside a range that was given. */
  readonly leftOut: number
}

/**
 * Counts in `bins` bins over `range`, by default from the smallest to the largest finite value (numpy's rule:
 * when all are the same value v, from v - 0.5 to v + 0.5).
 * @throws ArgumentError when bins is not a positive integer or the range is not ascending.
 */
export function countInBins(values: ArrayLike<number>, bins: number, range?: readonly [number, number]): BinCounts {
  if (!Number.isInteger(bins) || bins < 1) {
    throw new ArgumentError(`histogram: bins is ${bins}. It must be a whole number, at least 1.`)
  }
  const [low, high] = range ?? extent(values)
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) {
    throw new ArgumentError(`histogram: range is [${low}, ${high}]. It must be finite and ascending.`)
  }
  const width = (high - low) / bins
  const edges = Array.from({ length: bins + 1 }, (_, i) => (i === bins ? high : low + i * width))
  const counts = new Array<number>(bins).fill(0)
  let leftOut = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN
    if (value >= low && value <= high) {
      const bin = binOf(value, edges, width)
      counts[bin] = (counts[bin] ?? 0) + 1
    } else leftOut++
  }
  return { edges, counts, leftOut }
}

/** The bin by division, moved by one where its rounding error disagrees with the borders as reported. */
function binOf(value: number, edges: readonly number[], width: number): number {
  const last = edges.length - 2
  const edge = (i: number) => edges[i] ?? NaN
  let bin = Math.min(last, Math.floor((value - edge(0)) / width))
  if (value < edge(bin)) bin--
  else if (bin < last && value >= edge(bin + 1)) bin++
  return bin
}

function extent(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Infinity, -Infinity]
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN
    if (!Number.isFinite(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  if (low > high) return [0, 1]
  return low === high ? [low - 0.5, high + 0.5] : [low, high]
}
