/** Numbers of each latent of some SAEs: what `latentStatistics` and `latentProperties` return. */
import { z } from 'zod'
import { ArgumentError } from '../../lib/errors/errors.js'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { saeLatentsField, type SaeLatents } from '../sae-latents.js'

type About = {
  readonly saes: readonly SaeLatents[]
  readonly cosine?: boolean
}

/**
 * Axes [latent, statistic] or [latent, property]; the latents of several SAEs one after the other. Query it with
 * `latentsBy` and `summarizeStatistic`, draw it with `statisticHistogram` and the other figures.
 */
export class LatentStatistics extends Result<About> {
  static override readonly format: string = 'tfjs-lens-latent-statistics'
  static readonly extraSchema: z.ZodType<About> = z.object({
    saes: z.array(saeLatentsField),
    cosine: z.boolean().optional(),
  })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): LatentStatistics {
    return new LatentStatistics(readResult(value, LatentStatistics))
  }

  /** The SAEs, and where their latents stand on the axis. */
  get saes(): readonly SaeLatents[] {
    return this.extra.saes
  }

  /** Whether the columns of W_U were divided by their norms. */
  get cosine(): boolean {
    return this.extra.cosine ?? false
  }
}

/** @throws ArgumentError for a result without SAEs, such as the mean of one or a selection */
export function checkStatistics(verb: string, result: LatentStatistics): void {
  if (result instanceof LatentStatistics) return
  const { kind } = result as Result
  throw new ArgumentError(
    `${verb}: the result is of kind '${kind}'. Give one of latentStatistics or latentProperties as it came, not a ` +
      'mean or selection of it.',
  )
}
