/** The order of float32 numbers, the largest first: a radix sort of their bits, for many lists of one length. */

const DIGIT = 0xffff // two digits of 16 bits hold a float

/** Ranks lists of one length, in memory that it keeps: 16 bytes a number and half a megabyte. */
export class DescendingRanks {
  readonly #keys: Int32Array
  /** Sorted by the low digit: high digits, and where the values stood. */
  readonly #digits: Uint16Array
  readonly #places: Uint32Array
  readonly #ranks: Uint32Array
  readonly #low = new Uint32Array(DIGIT + 1)
  readonly #high = new Uint32Array(DIGIT + 1)

  constructor(length: number) {
    this.#keys = new Int32Array(length)
    this.#digits = new Uint16Array(length)
    this.#places = new Uint32Array(length)
    this.#ranks = new Uint32Array(length)
  }

  /**
   * The place of each value when they are sorted, the largest at 0 and the earlier of equals first (0 and −0 are
   * equal). NaN has no place: look for it before. The array is overwritten by the next call.
   */
  of(values: Float32Array): Uint32Array {
    this.#prepare(new Int32Array(values.buffer, values.byteOffset, values.length))
    this.#sortByLow()
    this.#rankByHigh()
    return this.#ranks
  }

  /** Keys whose ascending order, read without sign, is the wanted one, and where each digit begins. */
  #prepare(bits: Int32Array): void {
    const [keys, low, high] = [this.#keys, this.#low.fill(0), this.#high.fill(0)]
    for (let i = 0; i < bits.length; i++) {
      const key = descendingKey(bits[i]!)
      keys[i] = key
      low[key & DIGIT]!++
      high[key >>> 16]!++
    }
    startsOf(low)
    startsOf(high)
  }

  #sortByLow(): void {
    const [keys, digits, places, starts] = [this.#keys, this.#digits, this.#places, this.#low]
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      const at = starts[key & DIGIT]!++
      digits[at] = key >>> 16
      places[at] = i
    }
  }

  /** By the high digit, equal ones in the order they have: that is the rank. */
  #rankByHigh(): void {
    const [digits, places, starts, ranks] = [this.#digits, this.#places, this.#high, this.#ranks]
    for (let i = 0; i < digits.length; i++) ranks[places[i]!] = starts[digits[i]!]!++
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
