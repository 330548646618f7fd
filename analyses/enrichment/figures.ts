/** Enrichment drawn and listed: Manhattan plots, and the latents that a set is most enriched in. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { groups } from '../../lib/report/figure/groups.js'
import type { Figure } from '../../lib/report/figure/figure.js'
import type { Result } from '../../lib/report/result/result.js'
import { Table } from '../../lib/report/table/table.js'
import { checkCounts } from '../../lib/stats/k-largest.js'
import { saesOf } from '../latent-statistics/latent-statistics.js'

export interface ManhattanOptions {
  /** @default 'enrichment of token sets' */
  readonly title?: string
  /** @default all */
  readonly sets?: readonly string[]
  /** Latents of each set whose numbers are written beside them, at most … @default 3 */
  readonly called?: number
  /** … and only above this height. @default 1 */
  readonly threshold?: number
}

/**
 * −ln(1 − score) of every latent, a colour a set, and a line at the threshold. A score of 1 stands where one half as far from 1 as any other score of
 * the set can be would stand, since its own height has no end.
 * @throws ArgumentError for a result of another analysis, or an unknown set
 */
export function manhattan(result: Result, options: ManhattanOptions = {}): Figure {
  const { called = 3, threshold = 1, title = 'enrichment of token sets' } = options
  const latents = latentsOf('manhattan', result)
  const wanted = setsOf('manhattan', result, options.sets)
  return groups({
    title,
    xTitle: 'latent',
    yTitle: '−ln(1 − score)',
    threshold,
    groups: wanted.map(({ name, row, size }) => {
      const y = enrichmentHeights(scoresOf(result, row, 'score'), size, Number(result.extra['vocabulary']))
      const highest = [...y.keys()].filter((i) => y[i]! > threshold).sort((a, b) => y[b]! - y[a]!)
      return { name, x: latents, y, labels: latents.map((latent) => `${name} ${latent}`), called: highest.slice(0, called) } // prettier-ignore
    }),
  })
}

/** −ln(1 − score), finite for a score of 1 as `manhattan` says. */
export function enrichmentHeights(scores: ArrayLike<number>, size: number, vocabulary: number): number[] {
  const nearest = 0.5 / Math.max(1, size, vocabulary - size)
  return Array.from(scores, (score) => -Math.log(score < 1 ? 1 - score : nearest))
}

/**
 * The latents that each set is most enriched in: one row a latent, the highest score of a set first.
 * @param options.k latents of each set @default 5
 * @throws ArgumentError as `manhattan`
 */
export function topEnriched(
  result: Result,
  options: { readonly sets?: readonly string[]; readonly k?: number; readonly title?: string } = {},
): Table {
  const { k = 5, title = 'latents by enrichment of token sets' } = options
  checkCounts('topEnriched', { k })
  const latents = latentsOf('topEnriched', result)
  const measures = result.axes[2]!.labels
  const rows = setsOf('topEnriched', result, options.sets).flatMap(({ name, row, size }) => {
    const scores = scoresOf(result, row, 'score')
    const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b)
    return order.slice(0, k).map((i) => [name, size, String(latents[i]!), ...measures.map((m) => scoresOf(result, row, m)[i]!)]) // prettier-ignore
  })
  return new Table(['set', 'tokens', { name: 'latent', align: 'right' }, ...measures], rows, { title })
}

/** One measure of a set, [latents]. */
function scoresOf(result: Result, row: number, measure: string): Float32Array {
  const [, latents, measures] = result.shape as [number, number, number]
  const column = result.axes[2]!.labels.indexOf(measure)
  return Float32Array.from({ length: latents }, (_, i) => result.values[(row * latents + i) * measures + column]!)
}

function latentsOf(verb: string, result: Result): readonly number[] {
  if (result.kind === 'enrichment' && result.axes.length === 3) return saesOf(verb, result)[0]!.latents
  throw new ArgumentError(
    `${verb}: the result is of kind '${result.kind}' with ${result.axes.length} axes. Give one of enrichment as it came.`,
  )
}

function setsOf(verb: string, result: Result, names: readonly string[] | undefined) {
  const known = result.axes[0]!.labels
  const sizes = result.extra['sizes'] as readonly number[]
  return (names ?? known).map((name) => {
    const row = known.indexOf(name)
    if (row >= 0) return { name, row, size: sizes[row]! }
    throw new ArgumentError(`${verb}: there is no token set '${name}'.${didYouMean(name, known)} The result has ${known.join(', ')}.`) // prettier-ignore
  })
}
