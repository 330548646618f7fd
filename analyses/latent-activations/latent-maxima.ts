/** The largest activations of latents and where they are: what `latentMaxima` returns. */
import { z } from 'zod'
import { FileError } from '../../lib/errors/errors.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import { Result } from '../../lib/report/result/result.js'
import { cellColumns, type Rows } from '../../lib/report/result/rows.js'
import { SavedRecord } from '../../lib/report/result/saved-record.js'
import { readSaved, savedSchema } from '../../lib/report/result/saved.js'
import type { Table } from '../../lib/report/table/table.js'

/** Plain data. */
export class LatentMaxima extends SavedRecord {
  static readonly format = 'tfjs-lens-latent-maxima'
  /** The largest activation of each latent in each prompt: axes [prompt, latent]. */
  readonly maxima: Result
  /** [prompt · latent]: where it is, the first such position; −1 where the latent does not fire. */
  readonly positions: Int32Array

  constructor(maxima: Result, positions: Int32Array) {
    super()
    ;[this.maxima, this.positions] = [maxima, positions]
  }

  /** The activations alone. */
  toResult(): Result {
    return this.maxima
  }

  toTable(): Table {
    return this.maxima.toTable()
  }

  toString(): string {
    return this.maxima.toString()
  }

  /** A row a prompt and latent: activation and position. */
  toRows(): Rows {
    const { columns, length } = this.maxima.toRows()
    const positions = cellColumns(
      ['position'],
      Array.from(this.positions, (position) => [position]),
    )
    return { columns: [...columns, ...positions], length, header: { format: LatentMaxima.format } }
  }

  toJSON(): JsonObject {
    const { maxima, positions } = this
    return { format: LatentMaxima.format, version: 1, maxima: maxima.toJSON(), positions: [...positions] }
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): LatentMaxima {
    const { maxima, positions } = readSaved('LatentMaxima', schema, value)
    const result = Result.fromJSON(maxima)
    const { length } = result.values
    if (positions.length === length) return new LatentMaxima(result, Int32Array.from(positions))
    throw new FileError(`fromJSON: there are ${positions.length} positions. The maxima are ${length}.`)
  }
}

const schema = savedSchema(LatentMaxima.format, { maxima: z.unknown(), positions: z.array(z.int32()) })
