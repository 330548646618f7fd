/** Numbers as text: one format for a whole column, so that decimal points stand under one another. */

export interface NumberFormat {
  readonly digits: number
  readonly exponent: boolean
}

/**
 * The format for these values: no decimals when all are whole, else as many as show four digits of the largest;
 * powers of ten when the largest is very large or very small.
 */
export function formatFor(values: Iterable<number>): NumberFormat {
  let [largest, whole] = [0, true]
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    largest = Math.max(largest, Math.abs(value))
    whole &&= Number.isInteger(value)
  }
  if (whole && largest < 1e15) return { digits: 0, exponent: false }
  if (largest < 1e-4 || largest >= 1e7) return { digits: 3, exponent: true }
  return { digits: Math.min(6, Math.max(1, 3 - Math.floor(Math.log10(largest)))), exponent: false }
}

/** The value in that format; a value that rounds to zero has no sign. */
export function formatNumber(value: number, format: NumberFormat): string {
  if (!Number.isFinite(value)) return String(value)
  const text = format.exponent ? value.toExponential(format.digits) : value.toFixed(format.digits)
  return /^-[0.]+$/.test(text) ? text.slice(1) : text
}

/** The ends of a scale; on a logarithmic one, where they may be far apart, with three digits each. */
export function endTexts(ends: readonly [number, number], log = false): [string, string] {
  const format = formatFor(ends)
  const text = (value: number) => (log ? String(Number(value.toPrecision(3))) : formatNumber(value, format))
  return [text(ends[0]), text(ends[1])]
}
