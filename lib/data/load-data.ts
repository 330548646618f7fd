/** `loadData`: tokens for a model from texts, files and data sets, in bounded memory. B rows, P positions. */
import { ArgumentError, FileError } from '../errors/errors.js'
import type { JsonObject } from '../report/result/json.js'
import { Tokens } from '../tokens/tokens.js'
import type { Document } from './documents.js'
import { openDocuments, type DataSource, type OpenDocuments } from './open-documents.js'
import { checkDataOptions, rowRules, type DataModel, type DataOptions } from './row-rules.js'
import { tokenRows, type RowPlace, type RowRules } from './token-rows.js'
import { placed } from './document-shuffle.js'
import type { DataPosition, TokenBatch, TokenData } from './token-data.js'

/**
 * Tokens [B,P] for a model, batch by batch. The source is a list of texts or of lists of ids, a file (.txt, .jsonl,
 * .parquet), a folder of them, or a data set `org/name` of the Hugging Face hub. Documents are read as they are needed;
 * whatever the layout, one without tokens makes no row.
 *
 * @example
 * const data = await loadData(model, 'stories.jsonl', { positions: 128, rows: 16 })
 * for await (const { tokens } of data.batches()) console.log(tokens.batch)
 * @throws ArgumentError for an option that is none; FileError for a source that is not there, is damaged, is empty or
 *   has no text; TokenError for ids that are not in the vocabulary or text without a tokenizer. What lies further on in
 *   the data is refused when it is reached, by file and line.
 */
export async function loadData(model: DataModel, source: DataSource, options: DataOptions = {}): Promise<TokenData> {
  checkDataOptions(model, options)
  const opened = await openDocuments(source, options)
  const first = await firstDocument(opened)
  const rules = rowRules(model, typeof first === 'string', options)
  rules.encode(first)
  return new Data(opened, rules, options)
}

class Data implements TokenData {
  readonly about: JsonObject
  readonly #opened: OpenDocuments
  readonly #rules: RowRules
  readonly #options: DataOptions

  constructor(opened: OpenDocuments, rules: RowRules, options: DataOptions) {
    const { layout, positions, bos, between } = rules
    const { rows = 8, shuffle, limit } = options
    const drawn = shuffle && { seed: shuffle.seed, buffer: shuffle.buffer }
    this.about = withoutGaps({ ...opened.about, layout, positions, bos, between, rows, shuffle: drawn, limit })
    this.#opened = opened
    this.#rules = rules
    this.#options = options
  }

  async *batches(from: DataPosition = start): AsyncGenerator<TokenBatch> {
    const { rows = 8, shuffle, limit = Infinity, signal } = this.#options
    let { row, ...place } = readPosition(from)
    if (row >= limit) return
    const documents = placed(this.#opened.documents, shuffle, place)
    let batch: (readonly number[])[] = []
    for await (const { ids, next } of tokenRows(documents, place.part, this.#rules)) {
      batch.push(ids)
      place = next
      if (row + batch.length === limit) break
      if (batch.length < rows) continue
      signal?.throwIfAborted()
      yield this.#batch(batch, row, place)
      row += batch.length
      batch = []
    }
    if (batch.length > 0) yield this.#batch(batch, row, place)
    else if (row === 0) throw this.#tooShort()
  }

  #batch(ids: readonly (readonly number[])[], firstRow: number, place: RowPlace): TokenBatch {
    const tokens = Tokens.padded(ids, this.#rules.tokenizer?.padId ?? 0, 'right')
    return { tokens, firstRow, next: withoutGaps({ ...place, row: firstRow + ids.length }) }
  }

  #tooShort(): FileError {
    const { positions, layout } = this.#rules
    const right = layout === 'documents' ? 'Give data with text in it.' : "Take fewer positions, or layout 'documents'."
    return new FileError(`loadData: the data does not fill a single row of ${positions} tokens. ${right}`)
  }
}

const start: DataPosition = { document: 0, part: 0, row: 0 }

/** @throws ArgumentError for what is no position of such data */
function readPosition(from: DataPosition): RowPlace & { row: number } {
  const { document, part, row, total } = from
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
  if (![document, part, row, total ?? 0].every(isCount)) {
    throw new ArgumentError(
      `batches: ${JSON.stringify(from)} is no place in this data. Give the 'next' of one of its batches.`,
    )
  }
  return from as unknown as RowPlace & { row: number }
}

/** Without properties that are undefined, so that it equals itself once it was JSON. */
function withoutGaps(object: object): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as JsonObject
}

/** The first document that is not empty, which shows whether these are texts or ids. */
async function firstDocument({ documents, about }: OpenDocuments): Promise<Document> {
  for await (const document of documents.read(0)) if (document.length > 0) return document
  throw new FileError(
    `loadData: '${String(about['source'])}' is empty. Give data with at least one document that is not.`,
  )
}
