/** Plain JSON data: its types, and numbers as JSON can hold them. */

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject

/** A property that is undefined is one that JSON.stringify leaves out. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined
}

/**
 * Numbers for JSON: null for NaN and the infinities, and a float32 in the fewest digits that give it back (0.1, not
 * 0.10000000149011612); a number that is no float32 keeps all its digits.
 */
export function jsonNumbers(values: ArrayLike<number>): (number | null)[] {
  return Array.from(values, (value) => (Number.isFinite(value) ? fewestDigits(value) : null))
}

/** As `jsonNumbers`, but the infinities by name, so that a reader gets all float32 back, but for the sign of a zero. */
export function savedFloats(values: ArrayLike<number>): (number | string | null)[] {
  return Array.from(values, (value) => (Number.isFinite(value) ? fewestDigits(value) : savedNumber(value)))
}

/** A number with all its digits, NaN as null, the infinities by name. */
export function savedNumber(value: number): number | string | null {
  if (Number.isNaN(value)) return null
  return Number.isFinite(value) ? value : String(value)
}

function fewestDigits(value: number): number {
  if (Number.isInteger(value) || Math.fround(value) !== value) return value
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return Number(value.toPrecision(9)) // nine digits identify any float32
}

/** Whether a JSON value is an object: neither a list nor null. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
