/** How enriched sets of tokens are in latents: what `enrichment` returns. */
import { z } from 'zod'
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { saeLatentsField, type SaeLatents } from '../sae-latents.js'

type About = {
  readonly saes: readonly SaeLatents[]
  readonly sizes: readonly number[]
  readonly vocabulary: number
  readonly permutations?: number
}

/** One set of an `Enrichment`. */
export interface EnrichedSet {
  readonly name: string
  /** How many tokens it has. */
  readonly size: number
  /** One of the measures of each latent, in the order of `Enrichment.latents`. */
  measure(name: string): Float32Array
}

/** Axes [set, latent, measure], measures `score`, `signed` and with permutations `p`. */
export class Enrichment extends Result<About> {
  static override readonly format: string = 'tfjs-lens-enrichment'
  static readonly extraSchema: z.ZodType<About> = z.object({
    saes: z.array(saeLatentsField),
    sizes: z.array(z.int()),
    vocabulary: z.int(),
    permutations: z.int().optional(),
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): Enrichment {
    return new Enrichment(readResult(value, Enrichment))
  }

  /** The SAE, in a list of one. */
  get saes(): readonly SaeLatents[] {
    return this.extra.saes
  }

  /** The latents, in order. */
  get latents(): readonly number[] {
    return this.saes.flatMap(({ latents }) => latents)
  }

  /** Tokens of each set, in order. */
  get sizes(): readonly number[] {
    return this.extra.sizes
  }

  /** Tokens in all. */
  get vocabulary(): number {
    return this.extra.vocabulary
  }

  /** Random sets of each size that p-values are counted from; 0 for none. */
  get permutations(): number {
    return this.extra.permutations ?? 0
  }

  /** The names of the measures. */
  get measures(): readonly string[] {
    return this.axes[2]?.labels ?? []
  }

  /** Some sets by name, or all. @throws ArgumentError of a name that there is not */
  sets(verb: string, names?: readonly string[]): EnrichedSet[] {
    const known = this.axes[0]?.labels ?? []
    return (names ?? known).map((name) => {
      const row = known.indexOf(name)
      if (row >= 0) {
        return { name, size: this.sizes[row] ?? 0, measure: (measure) => this.#measure(row, measure) }
      }
      const hint = didYouMean(name, known)
      throw new ArgumentError(`${verb}: there is no token set '${name}'.${hint} The result has ${known.join(', ')}.`)
    })
  }

  /** [latents] */
  #measure(row: number, name: string): Float32Array {
    const [count, width] = [this.latents.length, this.measures.length]
    const ofSet = this.values.subarray(row * count * width, (row + 1) * count * width)
    const column = this.measures.indexOf(name)
    return ofSet.filter((_, i) => i % width === column)
  }
}

/** @throws ArgumentError for a result of another analysis, or a part of one */
export function checkEnrichment(verb: string, result: Enrichment): void {
  if (result instanceof Enrichment) return
  const { kind, axes } = result as Result
  throw new ArgumentError(
    `${verb}: the result is of kind '${kind}' with ${axes.length} axes. Give one of enrichment as it came.`,
  )
}
