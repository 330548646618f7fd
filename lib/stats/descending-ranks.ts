/** The order of float32 numbers, the largest first: a radix sort of their bits, for many lists of one length. */

// three digits hold a float; tables of 2048 counts stay in the first cache, which those of two digits would not
const [BITS, DIGIT] = [11, 0x7ff]

/** Ranks lists of one length, in memory that it keeps: 20 bytes a number. */
export class DescendingRanks {
  /** Sorted by the low digit, then by the middle one: each key, followed by where its value stood. */
  readonly #byLow: Int32Array
  readonly #byMiddle: Int32Array
  readonly #ranks: Uint32Array
  readonly #low = new Uint32Array(DIGIT + 1)
  readonly #middle = new Uint32Array(DIGIT + 1)
  readonly #high = new Uint32Array(DIGIT + 1)

  constructor(length: number) {
    this.#byLow = new Int32Array(2 * length)
    this.#byMiddle = new Int32Array(2 * length)
    this.#ranks = new Uint32Array(length)
  }

  /**
   * The place of each value when they are sorted, the largest at 0 and the earlier of equals first (0 and −0 are
   * equal); undefined where one is NaN, which has no place. The array is overwritten by the next call.
   */
  of(values: Float32Array): Uint32Array | undefined {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length)
    this.#count(bits)
    if (this.#mayHoldNaN() && values.some(Number.isNaN)) return undefined
    for (const counts of [this.#low, this.#middle, this.#high]) startsOf(counts)
    this.#sortByLow(bits)
    this.#sortByMiddle()
    this.#rankByHigh()
    return this.#ranks
  }

  /** How often there is each digit. */
  #count(bits: Int32Array): void {
    const [low, middle, high] = [this.#low.fill(0), this.#middle.fill(0), this.#high.fill(0)]
    for (let i = 0; i < bits.length; i++) {
      const key = descendingKey(bits[i]!)
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

  #sortByLow(bits: Int32Array): void {
    const [sorted, starts] = [this.#byLow, this.#low]
    for (let i = 0; i < bits.length; i++) {
      const key = descendingKey(bits[i]!)
      const at = 2 * starts[key & DIGIT]!++
      sorted[at] = key
      sorted[at + 1] = i
    }
  }

  /** Equal digits stay in the order they have. */
  #sortByMiddle(): void {
    const [from, sorted, starts] = [this.#byLow, this.#byMiddle, this.#middle]
    for (let i = 0; i < from.length; i += 2) {
      const key = from[i]!
      const at = 2 * starts[(key >>> BITS) & DIGIT]!++
      sorted[at] = key
      sorted[at + 1] = from[i + 1]!
    }
  }

  /** The place in the last order is the rank. */
  #rankByHigh(): void {
    const [sorted, starts, ranks] = [this.#byMiddle, this.#high, this.#ranks]
    for (let i = 0; i < sorted.length; i += 2) ranks[sorted[i + 1]!] = starts[sorted[i]! >>> (2 * BITS)]!++
  }
}

/**
 * Larger floats have smaller keys, read without sign: the bits of negative floats descend with the value, those of
 * positive ones are turned round. Without a branch on the sign, which no processor could foresee.
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
