/** Results to JSON and back; a Parquet file holds the same without the values. */
import { z } from 'zod'
import { FileError } from '../../errors/errors.js'
import { brief } from '../../errors/brief.js'
import { savedFloats, type JsonObject, type JsonValue } from './json.js'
import type { ResultInit } from './init.js'
import { provenanceSchema, readSaved, floatField, savedSchema } from './saved.js'

export const resultFormat = 'tfjs-lens-result'

/** The fields of a result under `format`, `version` and `shape`; NaN as null, the infinities by name. */
export function resultJson(result: WholeResult, format: string): JsonObject {
  return { ...resultHeader(result, format), values: savedFloats(result.values) }
}

/** The same without the values. */
export function resultHeader(result: WholeResult, format: string): JsonObject {
  const { kind, title, unit, shape, axes, notes, extra, provenance } = result
  return {
    format,
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

/** The class of a result, as far as its files are concerned. */
export interface ResultClass<Extra extends JsonObject> {
  readonly name: string
  readonly format: string
  /** What its `extra` has to be. @default any plain data */
  readonly extraSchema?: z.ZodType<Extra>
}

function headerFields<Extra extends JsonObject>({ extraSchema }: ResultClass<Extra>) {
  return {
    kind: z.string(),
    title: z.string(),
    unit: z.string(),
    shape: z.array(z.number()),
    axes: z.array(z.object({ name: z.string(), labels: z.array(z.string()) })),
    notes: z.array(z.string()),
    extra: extraSchema ?? (z.record(z.string(), jsonValue) as unknown as z.ZodType<Extra>),
    provenance: provenanceSchema,
  }
}

/**
 * What a result is made of, read from what `resultJson` wrote; the values may also be the array of a Parquet file.
 * @throws FileError when a field is missing or of a wrong type, or when the shape does not fit the axes or the values.
 */
export function readResult<Extra extends JsonObject>(value: unknown, kind: ResultClass<Extra>): ResultInit<Extra> {
  const isArray = (value as Partial<ResultInit> | null)?.values instanceof Float32Array
  const valuesField: z.ZodType<Float32Array | number[]> = isArray ? z.instanceof(Float32Array) : z.array(floatField)
  const schema = savedSchema(kind.format, { ...headerFields(kind), values: valuesField })
  const { values, ...header } = readSaved(kind.name, schema, value)
  return { ...checked(header as Header<Extra>, values.length), values: Float32Array.from(values) }
}

/** Checks what `resultHeader` wrote. @param count how many values there are. @throws FileError as `readResult` */
export function checkResultHeader(header: unknown, count: number, kind: ResultClass<JsonObject>): void {
  checked(readSaved(kind.name, savedSchema(kind.format, headerFields(kind)), header), count)
}

type Header<Extra extends JsonObject> = Omit<Required<ResultInit<Extra>>, 'values'> & {
  readonly format: string
  readonly version: 1
  readonly shape: readonly number[]
}

function checked<Extra extends JsonObject>(header: Header<Extra>, count: number): Omit<ResultInit<Extra>, 'values'> {
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
