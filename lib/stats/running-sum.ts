/**
 * The running sum of set enrichment (Subramanian et al. 2005 without weights, a Kolmogorov-Smirnov statistic): along a
 * ranking +1/m at each of the m members of a set and −1/(n − m) at each of the others. Only its largest and smallest
 * value count, and these stand right behind and right before a member, so that nothing but the members' ranks is
 * looked at. Times m(n − m) all is whole numbers: behind the j-th member, of rank r (from 1), the sum is j·n − r·m.
 */
import { ArgumentError } from '../errors.js'
import { random, type Random } from './random.js'

/** Which sets each element is in: those of element i are `sets[starts[i] … starts[i + 1] − 1]`. */
export interface Membership {
  readonly elements: number
  readonly sizes: readonly number[]
  readonly starts: Uint32Array
  readonly sets: Uint16Array
}

/** @param sets elements of each set, from 0 to `elements` − 1, none twice in a set */
export function membership(elements: number, sets: readonly ArrayLike<number>[]): Membership {
  if (sets.length > 2 ** 16) throw new ArgumentError(`membership: there are ${sets.length} sets. Give at most 65536.`)
  const starts = new Uint32Array(elements + 1)
  for (const set of sets) for (let i = 0; i < set.length; i++) starts[set[i]! + 1]!++
  for (let i = 0; i < elements; i++) starts[i + 1]! += starts[i]!
  const next = starts.slice()
  const members = new Uint16Array(starts[elements]!)
  sets.forEach((set, s) => {
    for (let i = 0; i < set.length; i++) members[next[set[i]!]!++] = s
  })
  return { elements, sizes: sets.map(({ length }) => length), starts, sets: members }
}

/**
 * For each set the running sum's value that lies farthest from 0, in [−1, 1]: positive where the set's members gather
 * at the top, and its magnitude is the enrichment score of TSEA. The positive one of two equal magnitudes. An empty set
 * gives −1 and the set of all elements 1, as the sum then only falls or rises.
 * @param order elements, the highest ranked first
 */
export function farthestSums(order: ArrayLike<number>, { elements: n, sizes, starts, sets }: Membership): Float64Array {
  const [most, least] = [new Float64Array(sizes.length), new Float64Array(sizes.length)]
  const counts = Uint32Array.from(sizes, () => 0)
  for (let i = 0; i < n; i++) {
    const element = order[i]!
    const end = starts[element + 1]!
    for (let at = starts[element]!; at < end; at++) {
      const set = sets[at]!
      const m = sizes[set]!
      const sum = ++counts[set]! * n - (i + 1) * m
      if (sum > most[set]!) most[set] = sum
      if (sum - n + m < least[set]!) least[set] = sum - n + m
    }
  }
  return most.map((_, set) => {
    const m = sizes[set]!
    if (m === 0) return -1
    if (m === n) return 1
    const farthest = most[set]! >= -least[set]! ? most[set]! : least[set]!
    return farthest / (m * (n - m))
  })
}

/**
 * Magnitudes of `farthestSums` for random sets of `size` of n elements, ascending [count]. They hang on the two sizes
 * alone, not on the ranking: one list serves all rankings.
 */
export function randomScores(n: number, size: number, count: number, seed: number): Float64Array {
  // A set and its complement have the same score
  const m = Math.min(size, n - size)
  const scores = new Float64Array(count)
  if (m === 0) return scores.fill(1)
  const generator = random(seed)
  const drawn = new Uint8Array(n)
  for (let i = 0; i < count; i++) {
    draw(drawn, m, generator)
    scores[i] = scoreOf(drawn, m)
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

/** Marks m elements, all subsets equally likely; m is at most half of them, so that few draws hit a marked one. */
function draw(drawn: Uint8Array, m: number, generator: Random): void {
  drawn.fill(0)
  for (let left = m; left > 0;) {
    const element = generator.integer(drawn.length)
    if (drawn[element] === 1) continue
    drawn[element] = 1
    left--
  }
}

function scoreOf(members: Uint8Array, m: number): number {
  const n = members.length
  let [sum, most, least] = [0, 0, 0]
  for (let i = 0; i < n; i++) {
    sum += members[i] === 1 ? n - m : -m
    if (sum > most) most = sum
    if (sum < least) least = sum
  }
  return Math.max(most, -least) / (m * (n - m))
}
