/** Results to JSON and back. */
import { z } from 'zod'
import { FileError } from '../errors.js'
import { jsonNumbers, type JsonObject, type JsonValue } from './json.js'
import type { ResultInit } from './result-init.js'

const format = 'tfjs-lens-result'
const version = 1

/** The fields of a result under `format`, `version` and `shape`; NaN and the infinities as null. */
export function resultJson(result: Required<ResultInit> & { readonly shape: number[] }): JsonObject {
  const { kind, title, unit, shape, axes, notes, extra, provenance, values } = result
  return {
    format,
    version,
    kind,
    title,
    unit,
    shape,
    axes: axes.map(({ name, labels }) => ({ name, labels })),
    notes,
    extra,
    provenance: { ...provenance },
    values: jsonNumbers(values),
  }
}

const jsonValue: z.ZodType<JsonValue> = z.lazy(() =>
  z.union([z.null(), z.boolean(), z.number(), z.string(), z.array(jsonValue), z.record(z.string(), jsonValue)]),
)

const schema = z.object({
  format: z.literal(format),
  version: z.literal(version),
  kind: z.string(),
  title: z.string(),
  unit: z.string(),
  shape: z.array(z.number()),
  axes: z.array(z.object({ name: z.string(), labels: z.array(z.string()) })),
  notes: z.array(z.string()),
  extra: z.record(z.string(), jsonValue),
  provenance: z.object({
    library: z.string(),
    backend: z.string(),
    model: z.string(),
    modelFiles: z.record(z.string(), z.string()),
    processing: z.record(z.string(), z.boolean()),
    prependBos: z.boolean().optional(),
    saes: z.array(z.string()).optional(),
    hooks: z.array(z.string()).optional(),
    seed: z.number().optional(),
  }),
  values: z.array(z.number().nullable()),
})

/**
 * What a result is made of, read from what `resultJson` wrote; null read as NaN.
 * @throws FileError when a field is missing or of a wrong type, or when the shape does not fit the axes or the values.
 */
export function readResult(value: unknown): ResultInit {
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    const where = path.length > 0 ? `field '${path.join('.')}'` : 'the value'
    throw new FileError(
      `fromJSON: ${where} is wrong (${message}). It must be what Result.toJSON wrote, version ${version}.`,
    )
  }
  const { shape, values, format: _format, version: _version, ...rest } = parsed.data
  const labels = rest.axes.map((axis) => axis.labels.length)
  if (String(shape) !== String(labels)) {
    throw new FileError(
      `fromJSON: shape is [${shape.join(', ')}]. The labels of the axes make it [${labels.join(', ')}].`,
    )
  }
  const size = labels.reduce((product, length) => product * length, 1)
  if (values.length !== size) {
    throw new FileError(`fromJSON: there are ${values.length} values. Shape [${shape.join(', ')}] needs ${size}.`)
  }
  return { ...rest, values: Float32Array.from(values, (number) => number ?? NaN) }
}
