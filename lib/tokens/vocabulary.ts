/** Reads and checks the vocabulary of a tokenizer.json, before any tokenizer is built from it. */
import { FileError } from '../errors/errors.js'
import { isJsonObject } from '../files/json-file.js'
import { brief } from '../errors/brief.js'

export type Json = Readonly<Record<string, unknown>>

/** A token beside the vocabulary proper, which is looked for before the text is cut up (`<|endoftext|>`). */
export interface AddedToken {
  readonly id: number
  readonly content: string
}

/**
 * The spelling of each id, `[vocabSize]`; ids that no token has are empty.
 * @throws FileError when the vocabulary, a merge or an added token is malformed, or an id is given twice.
 */
export function readVocabulary(model: Json, added: readonly AddedToken[]): (string | undefined)[] {
  const spellings: (string | undefined)[] = []
  for (const [token, id] of vocabularyEntries(model.vocab)) {
    if (!isId(id)) throw broken(`the id of ${quote(token)} is ${brief(id)}`, 'Ids are whole numbers from 0')
    place(spellings, token, id)
  }
  checkMerges(model, new Set(spellings))
  for (const { content, id } of added) place(spellings, content, id)
  return spellings
}

/**
 * The added tokens of a tokenizer.json, and those that tokenizer_config.json adds to them (`added_tokens_decoder`).
 * @throws FileError when one has no text or no id.
 */
export function readAddedTokens(tokenizer: Json, tokenizerConfig: unknown): AddedToken[] {
  const own = tokenizer.added_tokens ?? []
  if (!Array.isArray(own)) throw broken(`added_tokens is ${typeof own}`, 'It must be a list')
  const tokens = own.map(asAddedToken)
  const more = isJsonObject(tokenizerConfig) ? tokenizerConfig.added_tokens_decoder : undefined
  if (!isJsonObject(more)) return tokens
  const known = new Set(tokens.map(({ content }) => content))
  const configured = Object.entries(more).map(([id, token]) => asAddedToken({ ...(token as object), id: Number(id) }))
  return [...tokens, ...configured.filter(({ content }) => !known.has(content))]
}

function asAddedToken(token: unknown): AddedToken {
  const { content, id } = isJsonObject(token) ? token : {}
  if (typeof content === 'string' && content !== '' && isId(id)) return { ...(token as object), content, id }
  throw broken(`the added token ${quote(token)} has no text or no id`, 'It needs content and a whole-number id')
}

function vocabularyEntries(vocab: unknown): [string, unknown][] {
  const entries = Array.isArray(vocab) ? vocab.map(scoredToken) : isJsonObject(vocab) ? entriesOf(vocab) : []
  if (entries.length > 0) return entries
  throw broken(`model.vocab is ${brief(vocab)}`, 'It must map tokens to ids, or list [token, score]')
}

/** Object.entries, which takes four times as long for an object of so many keys. */
const entriesOf = (vocab: Json): [string, unknown][] => Object.keys(vocab).map((token) => [token, vocab[token]])

function scoredToken(entry: unknown, id: number): [string, unknown] {
  if (Array.isArray(entry) && typeof entry[0] === 'string') return [entry[0], id]
  throw broken(`model.vocab[${id}] is ${quote(entry)}`, 'It must be [token, score]')
}

/** Every merge must join two tokens into a third, or the words it stands for would lose their letters. */
function checkMerges(model: Json, tokens: ReadonlySet<string | undefined>): void {
  if (!('merges' in model)) return
  if (!Array.isArray(model.merges)) throw broken(`model.merges is ${brief(model.merges)}`, 'It must be a list')
  model.merges.forEach((merge: unknown, i) => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge
    const isPair = Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'string')
    if (!isPair) throw broken(`model.merges[${i}] is ${quote(merge)}`, 'It must be a pair of tokens')
    const [left, right] = pair as [string, string]
    const missing = [left, right, left + right.slice(prefixLength(model, right))].find((token) => !tokens.has(token))
    if (missing === undefined) return
    throw broken(
      `model.merges[${i}] needs the token ${quote(missing)}, which the vocabulary lacks`,
      'Vocabulary and merges must come from one tokenizer',
    )
  })
}

function prefixLength(model: Json, right: string): number {
  const prefix = model.continuing_subword_prefix
  return typeof prefix === 'string' && right.startsWith(prefix) ? prefix.length : 0
}

function place(spellings: (string | undefined)[], token: string, id: number): void {
  const holder = spellings[id]
  if (holder !== undefined && holder !== token) {
    throw broken(`${quote(holder)} and ${quote(token)} both have id ${id}`, 'Each needs its own')
  }
  spellings[id] = token
}

/** Vocabularies stay far below 2^24; anything above is damage, and would allocate a list of that length. */
function isId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 24
}

/** A token or a value of the file in quotes, not longer than a message should be. */
const quote = (value: unknown) => brief(JSON.stringify(value))

export function broken(wrong: string, right: string): FileError {
  return new FileError(`tokenizerFromJson: ${wrong}. ${right}.`)
}
