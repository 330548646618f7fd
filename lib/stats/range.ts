/** Whole numbers in a row. */

/** 0 up to `end`, or `begin` up to `end`, as Python's range: `end` is left out. */
export function range(end: number): number[]
export function range(begin: number, end: number): number[]
export function range(first: number, second?: number): number[] {
  const [begin, end] = second === undefined ? [0, first] : [first, second]
  return Array.from({ length: end - begin }, (_, i) => begin + i)
}
