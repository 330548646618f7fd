/** From documents to rows of token ids: the ways in which documents share rows. P positions. */
import type { Tokenizer } from '../tokens/tokenizer.js'
import type { Document } from './documents.js'
import type { DocumentPlace, PlacedDocument } from './document-shuffle.js'

/**
 * How documents become rows of P tokens; `bos` and `eos` stand for the ids.
 * - `packed`, SAELens (concat_and_batch_sequences): documents one after the other through row after row. A row begins
 *   with bos, and within a row a separator (bos) stands before each further document; neither where that very token
 *   follows anyway. A document that is cut continues in the next row, after its bos. The last, incomplete row is
 *   dropped.
 * - `joined`, TransformerLens 3 (tokenize_and_concatenate): 1000 documents at a time are joined with eos between them
 *   and cut into pieces of P − 1, each after a bos; what is left of the 1000 is dropped.
 * - `chunked`, TransformerLens 1 and 2, for the rows of older notebooks: as `joined`, but the 1000 documents are joined
 *   as text, which is cut into 20 equal pieces (also within words) before it is tokenized, and every padding token is
 *   dropped: where padding is eos, as in GPT-2, no eos is left.
 * - `documents`: one document a row after a bos, cut to P. Shorter rows are padded on the right, and masked.
 */
export type RowLayout = 'packed' | 'joined' | 'chunked' | 'documents'

/** How rows are made. */
export interface RowRules {
  readonly layout: RowLayout
  /** P */
  readonly positions: number
  /** Id before each row. */
  readonly bos: number | undefined
  /** Id between two documents of a row; for `documents`, after each. */
  readonly between: number | undefined
  readonly tokenizer: Tokenizer | undefined
  /** Ids of a document, checked. */
  readonly encode: (document: Document) => readonly number[]
}

/** A place between two rows: the document where the next one begins, and how much of that was used up. */
export interface RowPlace extends DocumentPlace {
  /** Tokens of the document for `packed`; rows of its 1000 for `joined` and `chunked`. */
  readonly part: number
}

/** A row, and where the next begins. */
export interface PlacedRow {
  /** [P], or shorter for `documents`. */
  readonly ids: readonly number[]
  readonly next: RowPlace
}

/** Documents that `joined` and `chunked` take at a time: the batch of Hugging Face's `map`. */
const GROUP = 1000
const CHUNKS = 20

/** Rows of the documents, of which the first `part` units were used up before. */
export function tokenRows(
  documents: AsyncIterable<PlacedDocument>,
  part: number,
  rules: RowRules,
): AsyncGenerator<PlacedRow> {
  if (rules.layout === 'packed') return packed(documents, part, rules)
  if (rules.layout === 'documents') return single(documents, rules)
  return grouped(documents, part, rules)
}

async function* packed(
  documents: AsyncIterable<PlacedDocument>,
  part: number,
  { positions, bos, between, encode }: RowRules,
): AsyncGenerator<PlacedRow> {
  let row: number[] = []
  let offset = part
  for await (const { document, at, next } of documents) {
    const ids = encode(document)
    while (offset < ids.length) {
      const prefix = row.length === 0 ? bos : between
      if (prefix !== undefined && ids[offset] !== prefix) row.push(prefix)
      const taken = ids.slice(offset, offset + positions - row.length)
      for (const id of taken) row.push(id)
      offset += taken.length
      if (row.length < positions) continue
      yield { ids: row, next: offset < ids.length ? { ...at, part: offset } : { ...next, part: 0 } }
      row = []
    }
    offset = 0
  }
}

async function* single(
  documents: AsyncIterable<PlacedDocument>,
  { positions, bos, between, encode }: RowRules,
): AsyncGenerator<PlacedRow> {
  for await (const { document, next } of documents) {
    const ids = encode(document)
    if (ids.length === 0) continue
    const whole = [...(bos === undefined ? [] : [bos]), ...ids, ...(between === undefined ? [] : [between])]
    yield { ids: whole.slice(0, positions), next: { ...next, part: 0 } }
  }
}

async function* grouped(
  documents: AsyncIterable<PlacedDocument>,
  part: number,
  rules: RowRules,
): AsyncGenerator<PlacedRow> {
  let group: PlacedDocument[] = []
  let first = part
  for await (const placed of documents) {
    group.push(placed)
    if (group.length < GROUP) continue
    yield* groupRows(group, first, rules)
    ;[group, first] = [[], 0]
  }
  yield* groupRows(group, first, rules)
}

function* groupRows(group: readonly PlacedDocument[], first: number, rules: RowRules): Generator<PlacedRow> {
  const [begin, end] = [group.at(0)?.at ?? { document: 0 }, group.at(-1)?.next ?? { document: 0 }]
  const texts = group.map(({ document }) => document)
  const ids = rules.layout === 'joined' ? joinedIds(texts, rules) : chunkedIds(texts as string[], rules)
  const prefix = rules.bos === undefined ? [] : [rules.bos]
  const length = rules.positions - prefix.length
  const count = Math.floor(ids.length / length)
  for (let part = first; part < count; part++) {
    const row = [...prefix, ...ids.slice(part * length, (part + 1) * length)]
    const isLast = part + 1 === count
    yield { ids: row, next: isLast ? { ...end, part: 0 } : { ...begin, part: part + 1 } }
  }
}

function joinedIds(documents: readonly Document[], { between, encode }: RowRules): number[] {
  const ids: number[] = []
  for (const [i, document] of documents.entries()) {
    if (i > 0 && between !== undefined) ids.push(between)
    for (const id of encode(document)) ids.push(id)
  }
  return ids
}

function chunkedIds(texts: readonly string[], { between, tokenizer, encode }: RowRules): number[] {
  const { prependsBos, bosId, padId } = tokenizer ?? {}
  const separator = between === undefined ? '' : tokenizer?.decode([between])
  const text = [...texts.join(separator)] // characters, not halves of them
  if (text.join('').trim() === '') return []
  const length = Math.ceil(text.length / CHUNKS)
  const chunks = Array.from({ length: CHUNKS }, (_, i) => text.slice(i * length, (i + 1) * length).join(''))
  const own = prependsBos && bosId !== undefined ? [bosId] : []
  return chunks.flatMap((chunk) => [...own, ...encode(chunk)]).filter((id) => id !== padId)
}
