/** The k largest entries of a matrix, away from the ends of its rows and from each other, and windows around them. */
import { ArgumentError } from '../errors/errors.js'

/** How many entries, and how far apart. */
export interface KLargestOptions {
  readonly k: number
  /** Columns left out at each end of a row. @default 0 */
  readonly buffer?: number
  /** Never two entries of one row within `buffer` columns of each other. @default true */
  readonly noOverlap?: boolean
}

/** Rows of one length. */
export type NumberRows = readonly ArrayLike<number>[]
/** Where an entry of a matrix stands. */
export type Index = readonly [row: number, column: number]

/**
 * Indices of the k largest entries of `x`, the largest first and the earlier of equals first; fewer when no more can be
 * taken. With `noOverlap` an entry is passed over when one of its row, at most `buffer` columns away, was taken before.
 *
 * Source: `get_k_largest_indices` of the SAE notebooks, but that equal entries have an order.
 * @example kLargestIndices([[1, 9, 8, 2], [3, 4, 7, 1]], { k: 2, buffer: 1 }) // [[0, 1], [1, 2]]
 * @throws ArgumentError when k or buffer is no whole number, or the buffer leaves nothing of a row
 */
export function kLargestIndices(x: NumberRows, { k, buffer = 0, noOverlap = true }: KLargestOptions): Index[] {
  const width = x[0]?.length ?? 0
  checkCounts('kLargestIndices', { k, buffer })
  if (x.length > 0 && 2 * buffer >= width) {
    throw new ArgumentError(
      `kLargestIndices: a buffer of ${buffer} leaves nothing of rows of ${width}. It must be below ${width / 2}.`,
    )
  }
  const inner = x.flatMap((_, row) => Array.from({ length: width - 2 * buffer }, (_, i) => row * width + buffer + i))
  const value = (i: number) => x[Math.floor(i / width)]?.[i % width] ?? NaN
  const order = inner.sort((a, b) => value(b) - value(a) || a - b)
  return takeApart(order, width, { k, buffer, noOverlap }).map((i) => [Math.floor(i / width), i % width])
}

/** Of flat indices in the order of their values, the first k that keep apart; see `kLargestIndices`. */
export function takeApart(
  order: Iterable<number>,
  width: number,
  { k, buffer, noOverlap }: Required<KLargestOptions>,
): number[] {
  const taken: number[] = []
  const byRow = new Map<number, number[]>()
  for (const i of order) {
    if (taken.length === k) break
    const row = Math.floor(i / width)
    const others = byRow.get(row) ?? []
    if (noOverlap && others.some((other) => Math.abs(other - i) <= buffer)) continue
    taken.push(i)
    byRow.set(row, [...others, i])
  }
  return taken
}

/**
 * Windows of `2 · buffer + 1` entries around indices, moved inwards where they would reach over an end of the row (the
 * indices returned are moved likewise: the middles of the windows). Without a buffer the entries alone.
 *
 * @example indexWithBuffer([[1, 9, 8, 2]], [[0, 1]], 1).windows // [[1, 9, 8]]
 * @throws ArgumentError when an index is not in x, or a window is longer than a row.
 */
export function indexWithBuffer(
  x: NumberRows,
  indices: readonly Index[],
  buffer = 0,
): { readonly windows: number[][]; readonly indices: Index[] } {
  const width = x[0]?.length ?? 0
  checkCounts('indexWithBuffer', { buffer })
  const wrong = indices.find(([row, column]) => x[row]?.[column] === undefined)
  if (wrong) {
    throw new ArgumentError(
      `indexWithBuffer: there is no entry [${wrong.join(', ')}]. The matrix has ${x.length} rows of ${width}.`,
    )
  }
  if (indices.length > 0 && 2 * buffer >= width) {
    throw new ArgumentError(
      `indexWithBuffer: a window of ${2 * buffer + 1} is longer than rows of ${width}. The buffer must be below ` +
        `${width / 2}.`,
    )
  }
  const moved = indices.map(([row, column]): Index => {
    return [row, Math.min(Math.max(column, buffer), width - buffer - 1)]
  })
  const window = ([row, middle]: Index) =>
    Array.from({ length: 2 * buffer + 1 }, (_, i) => x[row]?.[middle - buffer + i] ?? NaN)
  return { windows: moved.map(window), indices: moved }
}

/** Checks counts. @throws ArgumentError for a number that is not whole, below 0, or a k of 0. */
export function checkCounts(verb: string, counts: { readonly k?: number; readonly buffer?: number }): void {
  for (const [name, least] of [
    ['k', 1],
    ['buffer', 0],
  ] as const) {
    const count = counts[name]
    if (count === undefined || (Number.isInteger(count) && count >= least)) continue
    throw new ArgumentError(`${verb}: ${name} is ${String(count)}. It must be a whole number, at least ${least}.`)
  }
}
