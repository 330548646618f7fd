/** Latents in the order of a statistic: what `latentsBy` returns. */
import { z } from 'zod'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'

/** Which latent it is. */
export type LatentPlace = {
  /** Where its SAE reads, and the layer of the residual stream that is; see `SaeLatents`. */
  readonly hook: string
  readonly layer: number
  readonly latent: number
}

type About = {
  readonly statistic: string
  readonly places: readonly LatentPlace[]
}

/** A latent and its value of the statistic. */
export type RankedLatent = LatentPlace & { readonly value: number }

/** Axes [latent], the values of the statistic; the latents one after the other as it is iterated. */
export class RankedLatents extends Result<About> {
  static override readonly format: string = 'tfjs-lens-ranked-latents'
  static readonly extraSchema: z.ZodType<About> = z.object({
    statistic: z.string(),
    places: z.array(z.object({ hook: z.string(), layer: z.int(), latent: z.int() })),
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): RankedLatents {
    return new RankedLatents(readResult(value, RankedLatents))
  }

  /** What they are ranked by. */
  get statistic(): string {
    return this.extra.statistic
  }

  /** The latents with their SAEs, in order. */
  get places(): readonly LatentPlace[] {
    return this.extra.places
  }

  /** The latents' numbers, in order: enough where there is one SAE. */
  get latents(): number[] {
    return this.places.map(({ latent }) => latent)
  }

  *[Symbol.iterator](): Generator<RankedLatent> {
    for (const [i, place] of this.places.entries()) yield { ...place, value: this.values[i] ?? NaN }
  }
}
