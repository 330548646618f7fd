/** Signed enrichment scores of sets along the ranking of many rows of numbers. V elements · M sets */
import { DescendingRanks } from './descending-ranks.js'
import { RunningSums } from './running-sum.js'

/** Of one row at a time. */
export class SetScores {
  readonly #ranking: DescendingRanks
  readonly #sums: RunningSums

  /** @param sets of elements from 0 to V − 1, none twice in a set */
  constructor(elements: number, sets: readonly ArrayLike<number>[]) {
    this.#ranking = new DescendingRanks(elements)
    this.#sums = new RunningSums(elements, sets)
  }

  /** Of each set [M] along the row [V], the largest first; undefined where the row holds NaN. */
  of(row: Float32Array): Float64Array | undefined {
    const ranks = this.#ranking.of(row)
    return ranks && this.#sums.farthest(ranks)
  }
}
