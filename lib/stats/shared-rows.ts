/** Rows that two threads work on: places in shared memory, each of one row at a time. V elements · M sets */

/** What a place holds. */
export const FREE = 0
/** A row that nobody works on yet. */
export const FULL = 1
export const TAKEN = 2
/** Its scores. */
export const DONE = 3
/** It held NaN. */
export const REFUSED = 4

/** The row at hand and the next one: what is handed over later is better done by whoever hands it over. */
export const PLACES = 2

/** The memory itself, which can be sent to a thread. */
export interface SharedRows {
  /** Int32 [PLACES] */
  readonly states: SharedArrayBuffer
  /** Float32 [PLACES,V] */
  readonly rows: SharedArrayBuffer
  /** Float64 [PLACES,M] */
  readonly scores: SharedArrayBuffer
}

/** What a thread is started with. */
export interface ThreadData {
  readonly elements: number
  readonly sets: readonly ArrayLike<number>[]
  readonly shared: SharedRows
}

/** Memory for rows of so many elements, and for scores of so many sets. */
export function sharedRows(elements: number, sets: number): SharedRows {
  const room = (bytes: number) => new SharedArrayBuffer(PLACES * bytes)
  return { states: room(4), rows: room(4 * elements), scores: room(8 * sets) }
}

/** Both sides' view of it. */
export function viewRows({ states, rows, scores }: SharedRows) {
  const part = <T>(array: { subarray(begin: number, end: number): T; length: number }, place: number): T =>
    array.subarray((place * array.length) / PLACES, ((place + 1) * array.length) / PLACES)
  const [allRows, allScores] = [new Float32Array(rows), new Float64Array(scores)]
  return {
    states: new Int32Array(states),
    row: (place: number): Float32Array => part(allRows, place),
    scores: (place: number): Float64Array => part(allScores, place),
  }
}
