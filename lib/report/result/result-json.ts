/** Results to JSON and back; a Parquet file holds the same without the values. */
import { z } from 'zod'
import { FileError } from '../../errors/errors.js'
import { brief } from '../../errors/brief.js'
import { savedFloats, type JsonObject, type JsonValue } from './json.js'
import type { ResultInit } from './init.js'
import { provenanceSchema, readSaved, floatField, savedSchema } from './saved.js'

export const resultFormat = 'tfjs-lens-result'

/** The fields of a result under `format`, `version` and `shape`; NaN as null, the infinities by name. */
export function resultJson(result: WholeResult): JsonObject {
  return { ...resultHeader(result), values: savedFloats(result.values) }
}

/** The same without the values. */
export function resultHeader(result: WholeResult): JsonObject {
  const { kind, title, unit, shape, axes, notes, extra, provenance } = result
  return {
    format: resultFormat,
    version: 1,
    kind,
    title,
    unit,
    shape,
    axes: axes.map(({ name, labels }) => ({ name, labels })),
    notes,
    extra,
    provenance: { ...provenance },
  }
}

type WholeResult = Required<ResultInit> & { readonly shape: number[] }

const jsonValue: z.ZodType<JsonValue> = z.lazy(() =>
  z.union([z.null(), z.boolean(), z.number(), z.string(), z.array(jsonValue), z.record(z.string(), jsonValue)]),
)

const headerFields = {
  kind: z.string(),
  title: z.string(),
  unit: z.string(),
  shape: z.array(z.number()),
  axes: z.array(z.object({ name: z.string(), labels: z.array(z.string()) })),
  notes: z.array(z.string()),
  extra: z.record(z.string(), jsonValue),
  provenance: provenanceSchema,
}
const headerSchema = savedSchema(resultFormat, headerFields)
const schema = savedSchema(resultFormat, { ...headerFields, values: z.array(floatField) })

/**
 * What a result is made of, read from what `resultJson` wrote.
 * @throws FileError when a field is missing or of a wrong type, or when the shape does not fit the axes or the values.
 */
export function readResult(value: unknown): ResultInit {
  const { values, ...header } = readSaved('Result', schema, value)
  return { ...checked(header, values.length), values: Float32Array.from(values) }
}

/** The same from what `resultHeader` wrote, but for the values. @param count how many there are. @throws FileError */
export function readResultHeader(header: unknown, count: number): Omit<ResultInit, 'values'> {
  return checked(readSaved('Result', headerSchema, header), count)
}

function checked(header: z.infer<typeof headerSchema>, count: number): Omit<ResultInit, 'values'> {
  const { shape, format: _format, version: _version, ...rest } = header
  const labels = rest.axes.map((axis) => axis.labels.length)
  const text = (sizes: readonly number[]) => `[${brief(sizes.join(', '))}]`
  if (String(shape) !== String(labels)) {
    throw new FileError(`fromJSON: shape is ${text(shape)}. The labels of the axes make it ${text(labels)}.`)
  }
  const names = rest.axes.map(({ name }) => name)
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  if (repeated !== undefined) {
    throw new FileError(`fromJSON: two axes are named '${brief(repeated)}'. Each has a name of its own.`)
  }
  const size = labels.reduce((product, length) => product * length, 1)
  if (count !== size) {
    throw new FileError(`fromJSON: there are ${count} values. Shape ${text(shape)} needs ${size}.`)
  }
  return rest
}
