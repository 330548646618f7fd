/** Comparing what the library gives with what is recorded. */

/** The largest difference that passes, `atol + rtol · |recorded|`. */
export interface Tolerance {
  readonly atol: number
  readonly rtol?: number
}

/** Outcome of one comparison. */
export interface Verdict {
  /** Largest absolute difference; null where there is no such number (wrong shape, NaN, not numbers, not supported). */
  readonly maxAbs: number | null
  readonly ok: boolean
  /** What is wrong, when something is. */
  readonly error?: string
}

const passed: Verdict = { maxAbs: 0, ok: true }

export function failure(error: string): Verdict {
  return { maxAbs: null, ok: false, error }
}

/**
 * Numbers in the same order. Infinities must stand at the same places, and the finite numbers are compared; NaN on
 * either side fails.
 * @param shape to name places by
 */
export function compareNumbers(
  actual: ArrayLike<number>,
  recorded: ArrayLike<number>,
  tolerance: Tolerance,
  shape: readonly number[] = [recorded.length],
): Verdict {
  const { atol, rtol = 0 } = tolerance
  let [maxAbs, off, worst, worstExcess] = [0, 0, 0, 0]
  for (let i = 0; i < recorded.length; i++) {
    const [a, r] = [actual[i]!, recorded[i]!]
    if (!Number.isFinite(a) || !Number.isFinite(r)) {
      if (a === r) continue
      return failure(`at [${place(i, shape)}] the library gives ${a}, recorded is ${r}`)
    }
    const difference = Math.abs(a - r)
    maxAbs = Math.max(maxAbs, difference)
    const excess = difference - (atol + rtol * Math.abs(r))
    if (excess > 0) off++
    if (excess > worstExcess) [worst, worstExcess] = [i, excess]
  }
  if (off === 0) return { maxAbs, ok: true }
  const where = recorded.length > 1 ? ` at [${place(worst, shape)}]` : ''
  const values = `${actual[worst]}, recorded is ${recorded[worst]}`
  const error = `${off} of ${recorded.length} numbers off, the worst${where}: ${values}`
  return { maxAbs, ok: false, error }
}

/** What a number recorded with so many digits leaves open: half a unit of the last one, and a little for float32. */
export function roundingOf(recorded: number, digits: number): Tolerance {
  return { atol: 0.51 * 10 ** (Math.floor(Math.log10(Math.abs(recorded))) + 1 - digits) }
}

/** Indices of the i-th entry of a tensor. */
function place(i: number, shape: readonly number[]): string {
  const indices: number[] = []
  for (const length of [...shape].reverse()) {
    indices.unshift(i % length)
    i = Math.floor(i / length)
  }
  return indices.join()
}

/** Plain values (names, ids, shapes), which must be equal. */
export function compareValues(actual: unknown, recorded: unknown): Verdict {
  const difference = firstDifference(actual, recorded, '')
  return difference === undefined ? passed : failure(difference)
}

/** JSON whose numbers may be off by the tolerance, all else equal. */
export function compareTrees(actual: unknown, recorded: unknown, tolerance: Tolerance): Verdict {
  const found: [number[], number[]] = [[], []]
  const difference = firstDifference(withoutNumbers(actual, found[0]), withoutNumbers(recorded, found[1]), '')
  return difference === undefined ? compareNumbers(found[0], found[1], tolerance) : failure(difference)
}

/** The tree with each number as the word 'number', in order of the keys; the numbers go to `found`. */
function withoutNumbers(value: unknown, found: number[]): unknown {
  if (typeof value === 'number') return (found.push(value), 'number')
  if (Array.isArray(value)) return value.map((item) => withoutNumbers(item, found))
  if (!isTree(value)) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutNumbers(item, found)]))
}

function firstDifference(actual: unknown, recorded: unknown, where: string): string | undefined {
  if (!isTree(actual) || !isTree(recorded) || Array.isArray(actual) !== Array.isArray(recorded)) {
    if (Object.is(actual, recorded)) return undefined
    return `${where && `at ${where} `}the library gives ${brief(actual)}, recorded is ${brief(recorded)}`
  }
  for (const key of new Set([...Object.keys(actual), ...Object.keys(recorded)])) {
    const difference = firstDifference(actual[key], recorded[key], where === '' ? key : `${where}.${key}`)
    if (difference !== undefined) return difference
  }
  return undefined
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
