/** Moments of rows of numbers, from sums of their powers. */

export interface Moments {
  readonly mean: number
  /** Of the population (divided by n). */
  readonly std: number
  /** Mean of z³; 0 for a constant row. */
  readonly skewness: number
  /** Mean of z⁴ (3 for a Gaussian); 0 for a constant row, which no other row can have: the least is 1. */
  readonly kurtosis: number
}

/** Of n numbers, how far each lies beyond the origin, and that squared, cubed and to the fourth: the sums. */
export type PowerSums = readonly [first: number, second: number, third: number, fourth: number]

/**
 * Mean, standard deviation, skewness and kurtosis of n numbers. An origin near their mean keeps digits that an offset
 * would cost; which one it is does not change the moments.
 */
export function momentsOf(n: number, sums: PowerSums, origin = 0): Moments {
  const [m, r2, r3, r4] = [sums[0] / n, sums[1] / n, sums[2] / n, sums[3] / n]
  const variance = r2 - m * m
  const mean = origin + m
  if (variance <= 0) return { mean, std: 0, skewness: 0, kurtosis: 0 }
  const third = r3 - 3 * m * r2 + 2 * m ** 3
  const fourth = r4 - 4 * m * r3 + 6 * m * m * r2 - 3 * m ** 4
  return { mean, std: Math.sqrt(variance), skewness: third / variance ** 1.5, kurtosis: fourth / variance ** 2 }
}
