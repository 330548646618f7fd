/** Enrichment drawn and listed: Manhattan plots, and the latents that a set is most enriched in. */
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import { groups } from '../../lib/report/figure/groups.js'
import type { Figure } from '../../lib/report/figure/figure.js'
import { Table } from '../../lib/report/table/table.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { checkEnrichment, type Enrichment } from './enrichment-result.js'

/** What `manhattan` draws. */
export interface ManhattanOptions {
  /** @default 'enrichment of token sets' */
  readonly title?: string
  /** @default all */
  readonly sets?: readonly string[]
  /** Latents of each set whose numbers are written next to them, at most … @default 3 */
  readonly called?: number
  /** … and only above this height. @default 1 */
  readonly threshold?: number
}

const manhattanNames: OptionNames<ManhattanOptions> = { title: true, sets: true, called: true, threshold: true }

/**
 * −ln(1 − score) of every latent, a colour a set, and a line at the threshold. A score of 1 stands where one half as
 * far from 1 as any other score of the set can be would stand, since its own height has no end.
 *
 * @example manhattan(found, { sets: ['all_digits', 'is_punctuation'], threshold: 1.5 })
 * @throws ArgumentError for a result of another analysis, or an unknown set
 */
export function manhattan(result: Enrichment, options: ManhattanOptions = {}): Figure {
  checkOptions('manhattan', options, manhattanNames)
  checkEnrichment('manhattan', result)
  const { called = 3, threshold = 1, title = 'enrichment of token sets' } = options
  const { latents, vocabulary } = result
  return groups({
    title,
    xTitle: 'latent',
    yTitle: '−ln(1 − score)',
    threshold,
    groups: result.sets('manhattan', options.sets).map(({ name, size, measure }) => {
      const y = enrichmentHeights(measure('score'), size, vocabulary)
      const labels = latents.map((latent) => `${name} ${latent}`)
      return { name, x: latents, y, labels, called: highest(y, threshold).slice(0, called) }
    }),
  })
}

/** −ln(1 − score), finite for a score of 1 as `manhattan` says. */
export function enrichmentHeights(scores: ArrayLike<number>, size: number, vocabulary: number): number[] {
  const nearest = 0.5 / Math.max(1, size, vocabulary - size)
  return Array.from(scores, (score) => -Math.log(score < 1 ? 1 - score : nearest))
}

/** Places of the numbers above a threshold, the largest first. */
function highest(numbers: ArrayLike<number>, threshold = -Infinity): number[] {
  return Array.from(numbers, (value, place) => ({ value, place }))
    .filter(({ value }) => value > threshold)
    .sort((a, b) => b.value - a.value || a.place - b.place)
    .map(({ place }) => place)
}

/** What `topEnriched` lists. */
export interface TopEnrichedOptions {
  /** @default all */
  readonly sets?: readonly string[]
  /** Latents of each set. @default 5 */
  readonly k?: number
  /** @default 'latents by enrichment of token sets' */
  readonly title?: string
}

/**
 * The latents that each set is most enriched in: one row a latent, the highest score of a set first.
 *
 * @example topEnriched(await enrichment(view, wordSets(model, wordLists)), { k: 3 }).print()
 * @throws ArgumentError as `manhattan`
 */
export function topEnriched(result: Enrichment, options: TopEnrichedOptions = {}): Table {
  checkOptions('topEnriched', options, { sets: true, k: true, title: true })
  checkEnrichment('topEnriched', result)
  const { k = 5, title = 'latents by enrichment of token sets' } = options
  checkCounts('topEnriched', { k })
  const { latents, measures } = result
  const rows = result.sets('topEnriched', options.sets).flatMap(({ name, size, measure }) => {
    const columns = measures.map(measure)
    const places = highest(measure('score')).slice(0, k)
    return places.map((i) => [name, size, String(latents[i]), ...columns.map((column) => column[i] ?? NaN)])
  })
  return new Table(['set', 'tokens', { name: 'latent', align: 'right' }, ...measures], rows, { title })
}
