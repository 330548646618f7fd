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
 * Mean, standard deviation, skewness and kurtosis of some numbers, each exact to float64 whatever their offset: they are
 * counted from the first of them, so that a constant row is exactly 0 there, and centred before powers are taken.
 */
export function moments(row: Float32Array): Moments {
  const n = row.length
  const origin = n > 0 ? row[0]! : NaN
  let sum = 0
  for (let i = 0; i < n; i++) sum += row[i]! - origin
  const offset = sum / n
  const mean = origin + offset
  let [m2, m3, m4] = [0, 0, 0]
  for (let i = 0; i < n; i++) {
    const d = row[i]! - origin - offset
    const square = d * d
    m2 += square
    m3 += square * d
    m4 += square * square
  }
  const variance = m2 / n
  if (variance === 0) return { mean, std: 0, skewness: 0, kurtosis: 0 }
  return { mean, std: Math.sqrt(variance), skewness: m3 / n / variance ** 1.5, kurtosis: m4 / n / variance ** 2 }
}
