/** The order of float32 numbers, the largest first: a radix sort of their bits, for many lists of one length. */

const BITS = 11
const BUCKETS = 1 << BITS
const PASSES = 3 // 3 · 11 bits hold the 32 of a float

/** Sorts lists of one length in memory that it keeps: 20 bytes a number. */
export class DescendingOrder {
  readonly #keys: [Uint32Array, Uint32Array]
  readonly #places: [Uint32Array, Uint32Array]
  readonly #counts = Array.from({ length: PASSES }, () => new Uint32Array(BUCKETS))

  constructor(length: number) {
    this.#keys = [new Uint32Array(length), new Uint32Array(length)]
    this.#places = [new Uint32Array(length), new Uint32Array(length)]
  }

  /**
   * Indices of the values, the largest first and the earlier of equals first (0 and −0 are equal). NaN has no place:
   * look for it before. The array is overwritten by the next call.
   */
  of(values: Float32Array): Uint32Array {
    this.#prepare(new Uint32Array(values.buffer, values.byteOffset, values.length))
    for (let pass = 0; pass < PASSES; pass++) this.#distribute(pass)
    return this.#places[PASSES % 2]!
  }

  /** Keys whose ascending order is the wanted one, and how many have each digit. */
  #prepare(bits: Uint32Array): void {
    const keys = this.#keys[0]
    const [low, middle, high] = this.#counts as [Uint32Array, Uint32Array, Uint32Array]
    for (const counts of this.#counts) counts.fill(0)
    for (let i = 0; i < bits.length; i++) {
      const key = descendingKey(bits[i]!)
      keys[i] = key
      low[key & (BUCKETS - 1)]!++
      middle[(key >>> BITS) & (BUCKETS - 1)]!++
      high[key >>> (2 * BITS)]!++
    }
    for (const counts of this.#counts) startsOf(counts)
  }

  /** One pass: by a digit, equal digits in the order they came in. */
  #distribute(pass: number): void {
    const [from, to] = pass % 2 === 0 ? [0, 1] : [1, 0]
    const [keys, nextKeys] = [this.#keys[from]!, this.#keys[to]!]
    const [places, nextPlaces] = [this.#places[from]!, this.#places[to]!]
    const starts = this.#counts[pass]!
    const shift = pass * BITS
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      const place = starts[(key >>> shift) & (BUCKETS - 1)]!++
      nextKeys[place] = key
      nextPlaces[place] = pass === 0 ? i : places[i]!
    }
  }
}

/** Larger floats have smaller keys. Bits of positive floats ascend with the value, of negative ones descend. */
function descendingKey(bits: number): number {
  if (bits === 0x80000000) return 0x7fffffff // −0 as 0
  return bits >>> 31 === 0 ? 0x7fffffff - bits : bits
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
