/** The order of float32 numbers, the largest first: a radix sort of their bits, for many lists of one length. */

// three digits hold a float; tables of 2048 counts stay in the first cache, which those of two digits would not
const [BITS, DIGIT] = [11, 0x7ff]

/** Ranks lists of one length, in memory that it keeps: 24 bytes a number. */
export class DescendingRanks {
  readonly #keys: Int32Array
  /** Sorted by the low digit, then by the middle one: keys, and where their values stood. */
  readonly #byLow: Int32Array
  readonly #byMiddle: Int32Array
  readonly #lowPlaces: Uint32Array
  readonly #middlePlaces: Uint32Array
  readonly #ranks: Uint32Array
  readonly #low = new Uint32Array(DIGIT + 1)
  readonly #middle = new Uint32Array(DIGIT + 1)
  readonly #high = new Uint32Array(DIGIT + 1)

  constructor(length: number) {
    this.#keys = new Int32Array(length)
    this.#byLow = new Int32Array(length)
    this.#byMiddle = new Int32Array(length)
    this.#lowPlaces = new Uint32Array(length)
    this.#middlePlaces = new Uint32Array(length)
    this.#ranks = new Uint32Array(length)
  }

  /**
   * The place of each value when they are sorted, the largest at 0 and the earlier of equals first (0 and −0 are
   * equal); undefined where one is NaN, which has no place. The array is overwritten by the next call.
   */
  of(values: Float32Array): Uint32Array | undefined {
    this.#prepare(new Int32Array(values.buffer, values.byteOffset, values.length))
    if (this.#mayHoldNaN() && values.some(Number.isNaN)) return undefined
    for (const counts of [this.#low, this.#middle, this.#high]) startsOf(counts)
    this.#sortByLow()
    this.#sortByMiddle()
    this.#rankByHigh()
    return this.#ranks
  }

  /** Keys whose ascending order, read without sign, is the wanted one, and how often there is each digit. */
  #prepare(bits: Int32Array): void {
    const [keys, low, middle, high] = [this.#keys, this.#low.fill(0), this.#middle.fill(0), this.#high.fill(0)]
    for (let i = 0; i < bits.length; i++) {
      const key = descendingKey(bits[i]!)
      keys[i] = key
      low[key & DIGIT]!++
      middle[(key >>> BITS) & DIGIT]!++
      high[key >>> (2 * BITS)]!++
    }
  }

  /** The outermost high digits are those of infinities and NaN. */
  #mayHoldNaN(): boolean {
    const last = -1 >>> (2 * BITS)
    return [0, 1, last - 1, last].some((digit) => this.#high[digit]! > 0)
  }

  #sortByLow(): void {
    const [keys, sorted, places, starts] = [this.#keys, this.#byLow, this.#lowPlaces, this.#low]
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      const at = starts[key & DIGIT]!++
      sorted[at] = key
      places[at] = i
    }
  }

  /** Equal digits stay in the order they have. */
  #sortByMiddle(): void {
    const [keys, from, sorted, places, starts] = [this.#byLow, this.#lowPlaces, this.#byMiddle, this.#middlePlaces, this.#middle] // prettier-ignore
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      const at = starts[(key >>> BITS) & DIGIT]!++
      sorted[at] = key
      places[at] = from[i]!
    }
  }

  /** The place in the last order is the rank. */
  #rankByHigh(): void {
    const [keys, places, starts, ranks] = [this.#byMiddle, this.#middlePlaces, this.#high, this.#ranks]
    for (let i = 0; i < keys.length; i++) ranks[places[i]!] = starts[keys[i]! >>> (2 * BITS)]!++
  }
}

/**
 * Larger floats have smaller keys: the bits of negative floats descend with the value, those of positive ones are turned
 * round. Without a branch on the sign, which no processor could foresee.
 */
function descendingKey(bits: number): number {
  if (bits === -0x80000000) return 0x7fffffff // −0 as 0
  return bits ^ (~(bits >> 31) & 0x7fffffff)
}

/** Counts become the place where each digit begins. */
function startsOf(counts: Uint32Array): void {
  let start = 0
  for (let digit = 0; digit < counts.length; digit++) {
    const count = counts[digit]!
    counts[digit] = start
    start += count
  }
}
