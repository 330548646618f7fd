/** Which values a figure can show: finite ones, and on a logarithmic axis those above 0; and a note on the others. */
import { jsonNumbers } from '../result/json.js'
import { shortenMiddle, visibleToken } from '../table/token-text.js'

/** The axes of a figure that are logarithmic. */
export type LogAxes = '' | 'x' | 'y' | 'xy'

/** Places of the values that an axis can show. */
export function usable(values: ArrayLike<number>, log: boolean): number[] {
  const places: number[] = []
  for (let i = 0; i < values.length; i++) if (fits(values[i]!, log)) places.push(i)
  return places
}

/** Places of the points that both axes can show. */
export function usablePoints(x: ArrayLike<number>, y: ArrayLike<number>, log: LogAxes): number[] {
  return usable(x, log.includes('x')).filter((i) => fits(y[i]!, log.includes('y')))
}

function fits(value: number, log: boolean): boolean {
  return Number.isFinite(value) && (!log || value > 0)
}

/** The values at these places, as JSON holds them. */
export function picked(values: ArrayLike<number>, places: readonly number[]): (number | null)[] {
  return jsonNumbers(places.map((place) => values[place]!))
}

/** An axis' range over all the numbers and a little beyond; of a log axis its exponents. Undefined of no numbers. */
export function paddedRange(
  lists: readonly (readonly (number | null)[])[],
  log: boolean,
): [number, number] | undefined {
  let [low, high] = [Infinity, -Infinity]
  for (const list of lists) {
    for (const value of list) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)]
  }
  if (low > high) return undefined
  if (log) [low, high] = [Math.log10(low), Math.log10(high)]
  const beyond = (high - low) * 0.04 || 0.5
  return [low - beyond, high + beyond]
}

/** '3 values left out (NaN or infinite, or not above 0 on a log axis)'; undefined when none is. */
export function leftOutNote(count: number, log: boolean, what: 'value' | 'point' = 'value'): string | undefined {
  if (count === 0) return undefined
  const number = `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
  return `${number} left out (NaN or infinite${log ? ', or not above 0 on a log axis' : ''})`
}

/** 'no values: blocks.3'; undefined of no names. */
export function emptyNote(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined
  const more = names.length > 3 ? ` and ${names.length - 3} more` : ''
  return `no values: ${names
    .slice(0, 3)
    .map((name) => shortenMiddle(visibleToken(name), 24))
    .join(', ')}${more}`
}

/** Sentences of a note in one line; undefined when there are none. */
export function joinedNotes(...notes: readonly (string | undefined)[]): string | undefined {
  const said = notes.filter((note) => note !== undefined)
  return said.length > 0 ? said.join('; ') : undefined
}
