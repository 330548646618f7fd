/** Prompts as token ids: the batch, how text and lists of ids become one, and what is refused. B prompts, P positions. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, TokenError } from '../errors/errors.js'
import type { OptionNames } from '../errors/options.js'
import { checkTokenIds } from './token-ids.js'
import type { Tokenizer } from './tokenizer.js'

export type PaddingSide = 'left' | 'right'
type Rows = readonly (readonly number[])[]

export interface TokenOptions {
  /** BOS before each text, before it is truncated. Ids are used as they are. @default true */
  prependBos?: boolean
  /** Where shorter prompts are filled up, as in TransformerLens. @default 'right' */
  paddingSide?: PaddingSide
  /** Cut texts to the model's context; lists of ids are never cut. @default true */
  truncate?: boolean
}

/** The names of `TokenOptions`, for `checkOptions`. */
export const tokenOptionNames: OptionNames<TokenOptions> = { prependBos: true, paddingSide: true, truncate: true }

/** The token options among those of a verb or an analysis. */
export function tokenOptionsOf({ prependBos, paddingSide, truncate }: TokenOptions): TokenOptions {
  return { prependBos, paddingSide, truncate }
}

/** One text, several texts, one list of ids, several lists of ids, or a batch made before. */
export type Prompts = string | readonly string[] | readonly number[] | readonly (readonly number[])[] | Tokens

/** What must be known of a model to make tokens for it. */
export interface TokenContext {
  readonly tokenizer: Tokenizer | undefined
  /** Positions that the model has. */
  readonly nCtx: number
  /** Rows of its embedding. */
  readonly dVocab: number
  /** Its name, for messages. */
  readonly name: string
}

/** A batch of token ids: plain data, no tensors. */
export class Tokens {
  /** [B][P], filled up to one length. */
  readonly rows: Rows
  /** [B][P], 1 real, 0 padding; undefined when nothing is padded. */
  readonly mask: Rows | undefined
  readonly paddingSide: PaddingSide

  /** @throws TokenError when there are no ids, or rows or mask are not of one shape. */
  constructor(rows: Rows, mask?: Rows, paddingSide: PaddingSide = 'right') {
    const positions = rows[0]?.length ?? 0
    const fits = (matrix: Rows) => matrix.length === rows.length && matrix.every((row) => row.length === positions)
    if (positions === 0 || !fits(rows) || (mask && !fits(mask))) {
      const lengths = rows.map((row) => row.length).join(', ')
      throw new TokenError(`Tokens: rows have lengths [${lengths}]. Rows and mask need one length, of at least 1.`)
    }
    this.rows = rows
    this.mask = mask
    this.paddingSide = paddingSide
  }

  /** Rows of any length, filled up with `padId` to the longest. */
  static padded(rows: Rows, padId: number, paddingSide: PaddingSide): Tokens {
    const positions = rows.reduce((longest, row) => Math.max(longest, row.length), 0)
    const fill = (row: readonly number[], value: number) => {
      const padding = new Array<number>(positions - row.length).fill(value)
      return paddingSide === 'left' ? [...padding, ...row] : [...row, ...padding]
    }
    const isPadded = rows.some((row) => row.length < positions)
    const ones = (row: readonly number[]) => row.map(() => 1)
    const mask = isPadded ? rows.map((row) => fill(ones(row), 0)) : undefined
    return new Tokens(
      rows.map((row) => fill(row, padId)),
      mask,
      paddingSide,
    )
  }

  /** Some of the prompts in this order, one as often as it is named, padded as they were. */
  pick(prompts: readonly number[]): Tokens {
    const chosen = (matrix: Rows) => prompts.map((b) => matrix[b]!)
    return new Tokens(chosen(this.rows), this.mask && chosen(this.mask), this.paddingSide)
  }

  get batch(): number {
    return this.rows.length
  }

  get positions(): number {
    return this.rows[0]!.length
  }

  /** The ids, int32 `[B,P]`; the caller disposes it. */
  tensor(): tf.Tensor2D {
    return matrix(this.rows)
  }

  /** The mask, int32 `[B,P]`; the caller disposes it. Undefined when nothing is padded. */
  maskTensor(): tf.Tensor2D | undefined {
    return this.mask && matrix(this.mask)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const shown = this.rows.slice(0, 8).map((row) => `  ${row.slice(0, 32).join(' ')}${row.length > 32 ? ' …' : ''}`)
    const more = this.batch > shown.length ? [`  … ${this.batch - shown.length} more`] : []
    const padding = this.mask ? `, padded ${this.paddingSide}` : ''
    return [`Tokens [${this.batch},${this.positions}]${padding}`, ...shown, ...more].join('\n')
  }
}

const matrix = (rows: Rows) => tf.tensor2d(rows as number[][], undefined, 'int32')

/**
 * Prompts as a batch `[B,P]`; one text or one list of ids is a batch of one. The mask follows from the true lengths,
 * so a BOS that is the padding token too (GPT-2) stays visible. Without a padding token the filling is id 0.
 * @throws TokenError when there is nothing to run, an id is not in the vocabulary, a prompt does not fit into the
 *   context, or text is given and there is no tokenizer.
 */
export function toTokens(context: TokenContext, prompts: Prompts, options: TokenOptions = {}): Tokens {
  const side = options.paddingSide ?? 'right'
  if (side !== 'left' && side !== 'right') {
    throw new ArgumentError(`toTokens: paddingSide is ${JSON.stringify(side)}. It must be 'left' or 'right'.`)
  }
  const rows = prompts instanceof Tokens ? prompts.rows : promptRows(context, prompts, options)
  rows.forEach((row, i) => checkRow(context, row, i))
  return prompts instanceof Tokens ? prompts : Tokens.padded(rows, context.tokenizer?.padId ?? 0, side)
}

/** The rows before they are filled up, `[B][their own lengths]`. */
function promptRows(context: TokenContext, prompts: Exclude<Prompts, Tokens>, options: TokenOptions): Rows {
  if ((prompts as unknown) instanceof tf.Tensor) {
    const { shape } = prompts as unknown as tf.Tensor
    throw new TokenError(`toTokens: the prompts are a tensor of shape [${shape}]. Give its ids: await tensor.array().`)
  }
  const list = (Array.isArray(prompts) ? prompts : [prompts]) as readonly unknown[]
  if (list.length === 0) throw new TokenError('toTokens: the list of prompts is empty. Give at least one prompt.')
  if (list.every((item) => typeof item === 'string')) return list.map((text) => textRow(context, text, options))
  if (list.every((item) => typeof item === 'number')) return [list]
  if (list.every((item) => Array.isArray(item))) return list as Rows
  const odd = list.find((item) => typeof item !== typeof list[0]) ?? list[0]
  throw new TokenError(
    `toTokens: the prompts hold ${describe(odd)}${list.length > 1 ? ` beside ${describe(list[0])}` : ''}. ` +
      'Give texts only, or lists of ids only.',
  )
}

function describe(value: unknown): string {
  if (typeof value === 'string') return 'a text'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return `an object (${value.constructor.name})`
  return String(value)
}

function textRow(context: TokenContext, text: string, options: TokenOptions): readonly number[] {
  const { prependBos = true, truncate = true } = options
  const tokenizer = requireTokenizer(context, 'toTokens')
  const bos = prependBos ? [tokenizer.bosId] : []
  if (!bos.every((id) => id !== undefined)) {
    throw new TokenError(`toTokens: the tokenizer of ${context.name} has no BOS token. Set prependBos to false.`)
  }
  const row = [...bos, ...tokenizer.encode(text)]
  return truncate ? row.slice(0, context.nCtx) : row
}

/** @throws TokenError when the model has none. */
export function requireTokenizer(context: TokenContext, verb: string): Tokenizer {
  if (context.tokenizer) return context.tokenizer
  throw new TokenError(`${verb}: ${context.name} has no tokenizer, so it cannot take text. Give token ids.`)
}

function checkRow({ nCtx, dVocab, name }: TokenContext, row: readonly number[], index: number): void {
  if (row.length === 0) {
    throw new TokenError(`toTokens: prompt ${index} has no tokens. Give at least one, or prepend BOS to an empty text.`)
  }
  if (row.length > nCtx) {
    throw new TokenError(
      `toTokens: prompt ${index} has ${row.length} tokens, but the context of ${name} is ${nCtx}. ` +
        'Shorten it; texts are cut with truncate: true.',
    )
  }
  checkTokenIds('toTokens', row, { dVocab, name, row: index })
}
