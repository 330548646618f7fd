/** From what a user names to documents: a list, a file, a folder, or a data set of the Hugging Face hub. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { ArgumentError, FileError } from '../errors/errors.js'
import { downloadBars } from '../weights/hub/download-bars.js'
import type { JsonObject } from '../report/result/json.js'
import { hubSource, type HubSourceOptions } from '../weights/hub/hub.js'
import { folderSource, type Source } from '../weights/source.js'
import { chooseFiles, fileKind, type FileChoice, type FileKind } from './data-files.js'
import { fileDocuments, listDocuments, type Document, type Documents, type FileDocuments } from './documents.js'
import { readJsonLines } from './json-lines-documents.js'
import { readParquet } from './parquet-documents.js'
import { readTextFile } from './text-documents.js'

/** Texts, lists of token ids, a .parquet, .jsonl or .txt file, a folder of such, a data set `org/name` of the hub. */
export type DataSource = string | readonly string[] | readonly (readonly number[])[]

/** Which files of a source are read, and how. */
export interface SourceOptions extends FileChoice, Omit<HubSourceOptions, 'kind'> {
  /**
   * The column with texts or lists of ids. @default the first there is of tokens, input_ids, text, problem, content,
   * story
   */
  readonly column?: string
  /** What stands between two documents of a .txt file, such as `<|endoftext|>`. @default each file is one document */
  readonly separator?: string
}

/** Documents, and where they are from. */
export interface OpenDocuments {
  readonly documents: Documents
  /** Where they are from, for provenance: it changes when the data does. */
  readonly about: JsonObject
}

/**
 * What a source holds.
 * @throws ArgumentError for what is no such source, FileError for one that is not there or has no data files
 */
export async function openDocuments(source: DataSource, options: SourceOptions): Promise<OpenDocuments> {
  if (typeof source !== 'string') return openList(source)
  const { files, kind, from } = await locate(source, options)
  const open = (name: string, skip: number) => readFile({ from, name, kind }, skip, options)
  const { column, separator } = options
  // of local files the name alone, so that the same data says the same on another machine
  const name = from.commit === undefined ? path.basename(source) : source
  const about = { source: name, ...(await contentOf(from, files)), column, separator }
  return { documents: fileDocuments(files, open), about }
}

function openList(list: unknown): OpenDocuments {
  const isDocument = (each: unknown) => typeof each === 'string' || Array.isArray(each)
  if (!Array.isArray(list) || !list.every(isDocument)) {
    throw new ArgumentError(
      'loadData: the source is none. Give texts, lists of token ids, a file, a folder, or a data set ' +
        "'org/name' of the hub.",
    )
  }
  const documents = list as readonly Document[]
  const characters = documents.reduce((sum, each) => sum + each.length, 0)
  return { documents: listDocuments(documents), about: { source: 'list', documents: documents.length, characters } }
}

async function locate(
  source: string,
  options: SourceOptions,
): Promise<{ from: Source; files: string[]; kind: FileKind }> {
  const info = await stat(source).catch(() => undefined)
  if (info?.isFile()) {
    const kind = fileKind(source)
    if (kind === undefined) {
      throw new FileError(
        `loadData: '${source}' is no .parquet, .jsonl or .txt file. Files are known by these endings.`,
      )
    }
    return { from: await folderSource(path.dirname(source)), files: [path.basename(source)], kind }
  }
  const from = info ? await folderSource(source) : await onHub(source, options)
  return { from, ...chooseFiles(await from.list(), options, from.id) }
}

function onHub(source: string, options: SourceOptions): Promise<Source> {
  if (/^[^./~\\][^/\\]*\/[^/\\]+$/.test(source) && fileKind(source) === undefined) {
    return hubSource(source, { ...options, kind: 'dataset', onProgress: options.onProgress ?? downloadBars() })
  }
  throw new FileError(
    `loadData: there is no file or folder '${source}'. Name one, or a data set 'org/name' of the Hugging Face hub.`,
  )
}

/** What fixes the content: the commit, or the sizes of local files. */
async function contentOf(from: Source, files: readonly string[]): Promise<JsonObject> {
  if (from.commit !== undefined) return { commit: from.commit, files }
  const bytes = await Promise.all(files.map((file) => sizeOf(from, file)))
  return { files, bytes }
}

async function sizeOf(from: Source, name: string): Promise<number> {
  const file = await from.open(name)
  await file.close()
  return file.size
}

/** A file of a source. */
interface DataFile {
  readonly from: Source
  readonly name: string
  readonly kind: FileKind
}

async function* readFile({ from, name, kind }: DataFile, skip: number, options: SourceOptions): FileDocuments {
  const file = await from.open(name)
  try {
    if (kind === 'parquet') return yield* readParquet(file, skip, options.column)
    if (kind === 'jsonl') return yield* readJsonLines(file, skip, options.column)
    return yield* readTextFile(file, skip, options.separator)
  } finally {
    await file.close()
  }
}
