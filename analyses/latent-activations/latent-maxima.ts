/** The largest activations of latents and where they are: what `latentMaxima` returns. */
import { z } from 'zod'
import { FileError } from '../../lib/errors/errors.js'
import { Result } from '../../lib/report/result/result.js'
import { readResult } from '../../lib/report/result/result-json.js'
import { cellColumns, type Rows } from '../../lib/report/result/rows.js'

type About = { readonly positions: readonly number[] }

/** The largest activation of each latent in each prompt: axes [prompt, latent]. */
export class LatentMaxima extends Result<About> {
  static override readonly format: string = 'tfjs-lens-latent-maxima'
  static readonly extraSchema: z.ZodType<About> = z.object({ positions: z.array(z.int32()) })

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static override fromJSON(value: unknown): LatentMaxima {
    const { extra, ...init } = readResult(value, LatentMaxima)
    const { positions = [] } = extra ?? {}
    const { length } = init.values
    if (positions.length === length) return new LatentMaxima({ ...init, extra: { positions } })
    throw new FileError(`fromJSON: there are ${positions.length} positions. The maxima are ${length}.`)
  }

  /** [prompt · latent]: where it is, the first such position; −1 where the latent does not fire. */
  get positions(): readonly number[] {
    return this.extra.positions
  }

  /** A row a prompt and latent: activation and position. */
  override toRows(): Rows {
    const rows = super.toRows()
    const cells = this.positions.map((position) => [position])
    return { ...rows, columns: [...rows.columns, ...cellColumns(['position'], cells)] }
  }
}
