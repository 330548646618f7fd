/** What can be saved and read back: the two sides of it, and the checks that every reader shares. */
import { z } from 'zod'
import { FileError } from '../../errors/errors.js'
import { brief } from '../../errors/brief.js'
import type { JsonObject } from './json.js'
import type { Rows } from './rows.js'

/** What `writeResult` writes. */
export interface Savable {
  /** Plain JSON whose `format` is that of the class. */
  toJSON(): JsonObject
  /** The same, or the most of it, as rows for CSV and Parquet. */
  toRows?(): Rows
}

/** A class that reads back what it wrote. */
export interface SavedKind<T> {
  readonly name: string
  /** The field `format` of its JSON, such as 'tfjs-lens-result'. */
  readonly format: string
  /** @param kinds what may be inside it. @throws FileError when the value is no such JSON */
  fromJSON(value: unknown, kinds?: readonly SavedKind<unknown>[]): T
}

/** The schema of a saved class: its format and version 1 with the fields. */
export function savedSchema<const F extends string, S extends z.ZodRawShape>(format: F, fields: S) {
  return z.object({ format: z.literal(format), version: z.literal(1), ...fields })
}

/** The value as the schema reads it. @throws FileError naming the first field that is wrong */
export function readSaved<T>(kind: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const { path, message } = parsed.error.issues[0]!
  const where = path.length > 0 ? `field '${brief(path.join('.'))}'` : 'the value'
  throw new FileError(
    `fromJSON: ${where} is wrong (${brief(message)}). It must be what ${kind}.toJSON wrote, version 1.`,
  )
}

/** A number as `savedNumber` writes it. */
export const numberField = z
  .union([z.number(), z.null(), z.literal('Infinity'), z.literal('-Infinity')])
  .transform((value) => (value === null ? NaN : Number(value)))

/** A float32 as `savedFloats` writes it. */
export const floatField = numberField
  .refine((value) => Number.isFinite(Math.fround(value)) === Number.isFinite(value), 'too large for a float32')
  .transform(Math.fround)

export const provenanceSchema = z.object({
  library: z.string(),
  backend: z.string(),
  model: z.string(),
  modelFiles: z.record(z.string(), z.string()),
  processing: z.record(z.string(), z.boolean()),
  prependBos: z.boolean().optional(),
  saes: z.array(z.string()).optional(),
  hooks: z.array(z.string()).optional(),
  seed: z.number().optional(),
})
