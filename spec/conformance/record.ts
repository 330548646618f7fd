/** A record: a folder with an expected.json, nearly always beside an expected.safetensors. */
import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { ArgumentError, FileError } from '../../lib/errors/errors.js'
import { isJsonObject } from '../../lib/files/json-file.js'
import { SafetensorsFile, type HostTensor } from '../../lib/weights/formats/safetensors.js'
import { folderSource, readJson } from '../../lib/weights/source.js'

const JSON_FILE = 'expected.json'
const TENSORS_FILE = 'expected.safetensors'

/** What expected.json says of a tensor; each kind of record says some of it. */
export interface TensorEntry {
  readonly dtype?: string
  readonly shape?: readonly number[]
  readonly meaning?: string
  /** Missing for ids and masks. */
  readonly atol?: number
  /** Bit-equal to another tensor and stored under that name only. */
  readonly stored_as?: string
}

/** The content of an expected.json. */
export type Expected = Readonly<Record<string, unknown>> & { readonly tensors?: Readonly<Record<string, TensorEntry>> }

/** An open record. */
export class RecordFolder {
  /** Absolute. */
  readonly path: string
  readonly expected: Expected
  #file: Promise<SafetensorsFile> | undefined

  private constructor(folder: string, expected: Expected) {
    this.path = folder
    this.expected = expected
  }

  /** @throws FileError when there is no expected.json, or it is not a JSON object. */
  static async open(folder: string): Promise<RecordFolder> {
    const expected = await readJson(await folderSource(folder), JSON_FILE)
    if (!isJsonObject(expected)) {
      throw new FileError(`${folder}/${JSON_FILE}: it holds no JSON object. A record of conformance data is needed.`)
    }
    return new RecordFolder(folder, expected as Expected)
  }

  get name(): string {
    return path.basename(this.path)
  }

  entry(name: string): TensorEntry {
    return this.expected.tensors?.[name] ?? {}
  }

  /** Every tensor that the JSON or the safetensors file names. */
  async tensorNames(): Promise<string[]> {
    const listed = Object.keys(this.expected.tensors ?? {})
    const held = (await this.#hasFile()) ? [...(await this.#open()).infos.keys()] : []
    return [...new Set([...listed, ...held])]
  }

  async read(name: string): Promise<HostTensor> {
    const file = await this.#open()
    return file.read(this.entry(name).stored_as ?? name)
  }

  async close(): Promise<void> {
    await this.#file?.then((file) => file.close()).catch(() => undefined)
  }

  #open(): Promise<SafetensorsFile> {
    return (this.#file ??= folderSource(this.path).then(async (s) => SafetensorsFile.open(await s.open(TENSORS_FILE))))
  }

  async #hasFile(): Promise<boolean> {
    return (await folderSource(this.path)).has(TENSORS_FILE)
  }
}

/**
 * The record folders that these folders are or hold, each once. What lies inside a record (its model, its SAEs) belongs
 * to it and is not searched.
 * @throws ArgumentError for a folder that does not exist or holds no record.
 */
export async function findRecords(folders: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const folder of folders) {
    const records = await recordsIn(path.resolve(folder), new Set())
    if (records.length === 0) {
      throw new ArgumentError(
        `conformance: '${folder}' is no folder with a record. ` +
          `Name a folder with an ${JSON_FILE}, or a folder of such folders.`,
      )
    }
    for (const record of records) found.add(record)
  }
  return [...found]
}

async function recordsIn(folder: string, seen: Set<string>): Promise<string[]> {
  const real = await realpath(folder).catch(() => undefined)
  if (real === undefined || seen.has(real) || !(await isFolder(folder))) return []
  seen.add(real) // a link may lead upwards
  const names = (await readdir(folder)).sort()
  if (names.includes(JSON_FILE)) return [folder]
  const records: string[] = []
  for (const name of names) {
    if (!name.startsWith('.') && name !== 'node_modules')
      records.push(...(await recordsIn(path.join(folder, name), seen)))
  }
  return records
}

async function isFolder(name: string): Promise<boolean> {
  return stat(name).then(
    (info) => info.isDirectory(),
    () => false,
  )
}
