/** Moments of the rows of a large matrix of float32, summed in float64. */

export interface Moments {
  readonly mean: number
  /** Of the population (divided by n). */
  readonly std: number
  /** Mean of z³; 0 for a constant row. */
  readonly skewness: number
  /** Mean of z⁴ (3 for a Gaussian); 0 for a constant row, which no other row can have: the least is 1. */
  readonly kurtosis: number
}

/**
 * Mean, standard deviation, skewness and kurtosis of some numbers in one pass. Powers are summed in float64 of what lies
 * beyond a number near the mean, that of the first 32, so that an offset costs no digits and a constant row is exact.
 */
export function moments(row: Float32Array): Moments {
  const n = row.length
  const origin = originOf(row)
  let [s1, s2, s3, s4] = [0, 0, 0, 0]
  for (let i = 0; i < n; i++) {
    const d = row[i]! - origin
    const square = d * d
    s1 += d
    s2 += square
    s3 += square * d
    s4 += square * square
  }
  const [m, r2, r3, r4] = [s1 / n, s2 / n, s3 / n, s4 / n]
  const variance = r2 - m * m
  const mean = origin + m
  if (variance <= 0) return { mean, std: 0, skewness: 0, kurtosis: 0 }
  const third = r3 - 3 * m * r2 + 2 * m ** 3
  const fourth = r4 - 4 * m * r3 + 6 * m * m * r2 - 3 * m ** 4
  return { mean, std: Math.sqrt(variance), skewness: third / variance ** 1.5, kurtosis: fourth / variance ** 2 }
}

/** The mean of the first 32, or of half of them and so on where there are fewer; of equal numbers it is that number. */
function originOf(row: Float32Array): number {
  let count = 32
  while (count > row.length && count > 1) count /= 2
  let sum = 0
  for (let i = 0; i < count; i++) sum += row[i]!
  return sum / count
}
