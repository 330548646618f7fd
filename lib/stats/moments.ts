/** Mean, variance, skewness and kurtosis with the population formulas (divide by n), summed in float64. */

/** Arithmetic mean; NaN of no values. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] ?? NaN
  return sum / values.length
}

/** Population variance, the mean squared distance from the mean (ddof 0); NaN of no values. */
export function variance(values: ArrayLike<number>): number {
  return centralMoment(values, 2)
}

/** Square root of the population variance. */
export function standardDeviation(values: ArrayLike<number>): number {
  return Math.sqrt(variance(values))
}

/** Mean of z³, where z counts standard deviations from the mean. NaN of values that are all the same. */
export function skewness(values: ArrayLike<number>): number {
  return centralMoment(values, 3) / variance(values) ** 1.5
}

/** Mean of z⁴ (Pearson's kurtosis: 3 for a Gaussian, not the excess). NaN of values that are all the same. */
export function kurtosis(values: ArrayLike<number>): number {
  return centralMoment(values, 4) / variance(values) ** 2
}

function centralMoment(values: ArrayLike<number>, power: 2 | 3 | 4): number {
  const centre = mean(values)
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += ((values[i] ?? NaN) - centre) ** power
  return sum / values.length
}
