/**
 * The running sum of set enrichment (Subramanian et al. 2005 without weights, a Kolmogorov-Smirnov statistic): along a
 * ranking +1/m at each of the m members of a set and −1/(n − m) at each of the others. Only its largest and smallest
 * value count, and these stand right after and right before a member, so that nothing but the members' ranks is
 * looked at. Times m(n − m) all is whole numbers: after the j-th member, of rank r (from 1), the sum is j·n − r·m.
 */
import { random, type Random } from './random.js'

/**
 * The running sum's value that lies farthest from 0, in [−1, 1], for some sets along one ranking: positive where the
 * set's members gather at the top; its magnitude is the enrichment score of TSEA. The positive one of two equal
 * magnitudes. An empty set gives −1 and the set of all elements 1, as the sum then only falls or rises.
 */
export class RunningSums {
  readonly #elements: number
  readonly #sets: readonly { readonly sign: 1 | -1; readonly members: Uint32Array }[]
  readonly #bits: Int32Array

  /** @param sets elements of each set, from 0 to `elements` − 1, none twice in a set */
  constructor(elements: number, sets: readonly ArrayLike<number>[]) {
    this.#elements = elements
    this.#bits = new Int32Array(Math.ceil(elements / 32))
    // What a large set leaves out is less to look at, and has the same sum with the other sign
    this.#sets = sets.map((set) => {
      const large = 2 * set.length > elements
      return { sign: large ? -1 : 1, members: large ? others(elements, set) : Uint32Array.from(set) }
    })
  }

  /** @param ranks place of each element in the ranking, 0 the highest */
  farthest(ranks: Uint32Array): Float64Array {
    return Float64Array.from(this.#sets, ({ sign, members }) => this.#farthest(ranks, members, sign))
  }

  #farthest(ranks: Uint32Array, members: Uint32Array, sign: 1 | -1): number {
    const [n, m, bits] = [this.#elements, members.length, this.#bits]
    if (m === 0) return -sign
    bits.fill(0)
    for (let i = 0; i < m; i++) {
      const rank = ranks[members[i]!]!
      bits[rank >>> 5]! |= 1 << (rank & 31)
    }
    const { most, least } = extremes(bits, n, m)
    const [up, down] = sign === 1 ? [most, -least] : [-least, most]
    return (up >= down ? up : -down) / (m * (n - m))
  }
}

/**
 * Largest and smallest value of the sum times m(n − m) along a ranking whose members are the bits that are set. Of 32
 * ranks at a time it is first asked whether the sum can go beyond what it was: not if all their members came first, or
 * last.
 */
function extremes(bits: Int32Array, n: number, m: number): { most: number; least: number } {
  let [most, least, sum] = [0, 0, 0] // the sum before the 32
  const [rise, fall] = [n - m, 32 * m]
  for (let i = 0; i < bits.length; i++) {
    const members = bits[i]!
    const count = bitCount(members)
    if (sum + count * rise > most || sum - fall < least) {
      let risen = sum
      for (let word = members; word !== 0; word &= word - 1) {
        const before = risen - (31 - Math.clz32(word & -word)) * m
        if (before < least) least = before
        if (before + rise > most) most = before + rise
        risen += n
      }
    }
    sum += count * n - fall
  }
  return { most, least }
}

function bitCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** The elements that a set leaves out. */
function others(elements: number, set: ArrayLike<number>): Uint32Array {
  const isIn = new Uint8Array(elements)
  for (let i = 0; i < set.length; i++) isIn[set[i]!] = 1
  return Uint32Array.from({ length: elements }, (_, i) => i).filter((i) => isIn[i] === 0)
}

/** How many random sets, and which. */
export interface RandomSets {
  readonly count: number
  readonly seed: number
}

/**
 * Magnitudes of the farthest sums of random sets of `size` of n elements, ascending [count]. They depend on the two
 * sizes alone, not on the ranking: one list serves all rankings.
 */
export function randomScores(n: number, size: number, { count, seed }: RandomSets): Float64Array {
  // A set and its complement have the same score
  const m = Math.min(size, n - size)
  const scores = new Float64Array(count)
  if (m === 0) return scores.fill(1)
  const generator = random(seed)
  const bits = new Int32Array(Math.ceil(n / 32))
  for (let i = 0; i < count; i++) {
    draw(bits, { n, m }, generator)
    const { most, least } = extremes(bits, n, m)
    scores[i] = Math.max(most, -least) / (m * (n - m))
  }
  return scores.sort()
}

/** The share of random scores that reach this one, itself counted among them: never 0 (Phipson and Smyth 2010). */
export function permutationP(score: number, ascending: Float64Array): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle]! < score - 1e-12) low = middle + 1
    else high = middle
  }
  return (1 + ascending.length - low) / (1 + ascending.length)
}

/** Sets m bits, all subsets of the n equally likely; m is at most half of them, so that few draws hit a set one. */
function draw(bits: Int32Array, { n, m }: { readonly n: number; readonly m: number }, generator: Random): void {
  bits.fill(0)
  for (let left = m; left > 0;) {
    const element = generator.integer(n)
    const bit = 1 << (element & 31)
    if ((bits[element >>> 5]! & bit) !== 0) continue
    bits[element >>> 5]! |= bit
    left--
  }
}
