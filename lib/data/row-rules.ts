/** The options of `loadData`: what they may be, and the rules for rows that follow from them. */
import { ArgumentError, FileError, MismatchError, TokenError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { checkOptions, type OptionNames } from '../errors/options.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import { requireTokenizer, type TokenContext } from '../tokens/tokens.js'
import type { SourceOptions } from './open-documents.js'
import type { RowLayout, RowRules } from './token-rows.js'
import { checkShuffle, type DocumentShuffle } from './document-shuffle.js'

/** What must be known of a model to make tokens for it; every view of a model is one. */
export interface DataModel {
  readonly name: string
  readonly tokenizer: Tokenizer | undefined
  readonly config: { readonly nCtx: number; readonly dVocab: number }
}

/** Where texts or ids are from, and how they become rows. */
export interface DataOptions extends SourceOptions {
  /** B: rows of a batch. @default 8, as SAELens's store_batch_size_prompts */
  readonly rows?: number
  /** P: tokens of a row, BOS among them. @default 128, or the model's context if that is shorter */
  readonly positions?: number
  /** How documents become rows. @default 'packed' for text, 'documents' for ids */
  readonly layout?: RowLayout
  /** BOS before each row. @default true for text, false for ids, which are used as they are */
  readonly prependBos?: boolean
  /**
   * What stands between two documents of a row; for `documents`, after each. @default 'bos' packed, 'eos' joined and
   * chunked, else 'none'
   */
  readonly between?: 'bos' | 'eos' | 'none'
  /** Documents in random order, out of a buffer. @default as they come */
  readonly shuffle?: DocumentShuffle
  /** Stop after so many rows. @default all */
  readonly limit?: number
  /** Stops the reading between two batches: it throws the signal's reason. */
  readonly signal?: AbortSignal
}

const optionNames: OptionNames<DataOptions> = {
  files: true,
  config: true,
  split: true,
  column: true,
  separator: true,
  endpoint: true,
  accessToken: true,
  cacheDir: true,
  localFilesOnly: true,
  revision: true,
  onProgress: true,
  fetch: true,
  retryDelay: true,
  rows: true,
  positions: true,
  layout: true,
  prependBos: true,
  between: true,
  shuffle: true,
  limit: true,
  signal: true,
}

const layouts: readonly RowLayout[] = ['packed', 'joined', 'chunked', 'documents']

/** Checks names and values. @throws ArgumentError for an option that is none */
export function checkDataOptions(model: DataModel, options: DataOptions): void {
  checkOptions('loadData', options, optionNames)
  const { rows = 8, positions = 2, limit = 1, layout = 'packed', between = 'none' } = options
  checkCount({ rows }, 1)
  checkCount({ limit }, 1)
  checkCount({ positions }, 2, { most: model.config.nCtx, why: `the context of ${model.name}` })
  checkOneOf('layout', layout, layouts)
  checkOneOf('between', between, ['bos', 'eos', 'none'])
  if (options.shuffle) checkShuffle(options.shuffle)
}

function checkCount(
  named: Readonly<Record<string, number>>,
  least: number,
  end?: { readonly most: number; readonly why: string },
): void {
  for (const [name, value] of Object.entries(named)) {
    if (Number.isInteger(value) && value >= least && value <= (end?.most ?? Infinity)) continue
    const range = end ? `from ${least} to ${end.most} (${end.why})` : `from ${least} up`
    throw new ArgumentError(`loadData: ${name} is ${String(value)}. It must be a whole number ${range}.`)
  }
}

function checkOneOf(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return
  const list = choices.map((each) => `'${each}'`).join(', ')
  throw new ArgumentError(`loadData: ${name} is '${value}'. It must be ${list}.${didYouMean(value, choices)}`)
}

/**
 * The rules that follow.
 * @throws ArgumentError for a layout that needs text, TokenError where the tokenizer lacks something
 */
export function rowRules(model: DataModel, isText: boolean, options: DataOptions): RowRules {
  const { tokenizer, name, config } = model
  const { layout = isText ? 'packed' : 'documents', prependBos = isText } = options
  const byDefault = layout === 'documents' || !isText ? 'none' : layout === 'packed' ? 'bos' : 'eos'
  const { between = byDefault } = options
  const context: TokenContext = { tokenizer, name, ...config }
  if (isText) requireTokenizer(context, 'loadData')
  if (!isText && layout === 'chunked') {
    throw new ArgumentError("loadData: layout 'chunked' needs text, and this data has token ids. Use 'joined'.")
  }
  return {
    layout,
    positions: options.positions ?? Math.min(128, config.nCtx),
    bos: prependBos ? special(model, 'bos') : undefined,
    between: between === 'none' ? undefined : special(model, between),
    tokenizer,
    encode: isText ? textEncoder(context) : idsEncoder(context),
  }
}

function special({ tokenizer, name }: DataModel, kind: 'bos' | 'eos'): number {
  const id = kind === 'bos' ? tokenizer?.bosId : tokenizer?.eosId
  if (id !== undefined) return id
  const right = kind === 'bos' ? "Set prependBos to false and between to 'none'." : "Set between to 'none'."
  throw new TokenError(`loadData: the tokenizer of ${name} has no ${kind.toUpperCase()} token. ${right}`)
}

function textEncoder({ tokenizer }: TokenContext): RowRules['encode'] {
  return (document) => {
    if (typeof document === 'string') return tokenizer?.encode(document) ?? []
    throw new FileError('loadData: token ids among texts. All documents must be texts, or all lists of ids.')
  }
}

function idsEncoder({ dVocab, name }: TokenContext): RowRules['encode'] {
  return (document) => {
    if (document === '') return []
    if (typeof document === 'string') {
      throw new FileError('loadData: a text among token ids. All documents must be texts, or all lists of ids.')
    }
    checkVocabulary(document, dVocab, name)
    return document
  }
}

/** @throws MismatchError for ids that the model has no embedding for: another tokenizer made them */
function checkVocabulary(ids: readonly number[], dVocab: number, name: string): void {
  const wrong = ids.find((id) => id < 0 || id >= dVocab)
  if (wrong === undefined) return
  throw new MismatchError(
    `loadData: the data has a token id ${wrong}, and those of ${name} go from 0 to ${dVocab - 1}. It was tokenized ` +
      'for another model: use its text.',
  )
}
