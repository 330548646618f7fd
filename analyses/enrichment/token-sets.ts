/** Sets of tokens that enrichment looks for: by letter, by pattern, or all tokens of some words. */
import { ArgumentError, TokenError } from '../../lib/errors/errors.js'
import { checkOptions } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import type { Tokenizer } from '../../lib/tokens/tokenizer.js'
import { startMatcher } from './start-matcher.js'

/** Token ids by the set's name: what `enrichment` takes. */
export type TokenSets = Readonly<Record<string, readonly number[]>>

/** The patterns of SAELens' logit lens tutorial. Ġ is a space in the vocabulary's spelling. */
export const tokenPatterns = {
  starts_with_space: 'Ġ.*',
  starts_with_capital: '^Ġ*[A-Z].*',
  starts_with_lower: '^Ġ*[a-z].*',
  all_digits: '^Ġ*\\d+$',
  is_punctuation: '^[^\\w\\s]+$',
  contains_close_bracket: '.*\\).*',
  contains_open_bracket: '.*\\(.*',
  all_caps: 'Ġ*[A-Z]+$',
  '1 digit': 'Ġ*\\d{1}$',
  '2 digits': 'Ġ*\\d{2}$',
  '3 digits': 'Ġ*\\d{3}$',
  '4 digits': 'Ġ*\\d{4}$',
  length_1: '^Ġ*\\w{1}$',
  length_2: '^Ġ*\\w{2}$',
  length_3: '^Ġ*\\w{3}$',
  length_4: '^Ġ*\\w{4}$',
  length_5: '^Ġ*\\w{5}$',
} as const satisfies Readonly<Record<string, string>>

/**
 * Tokens whose spelling in the vocabulary (`Ġthe`, byte letters for other bytes) begins with a match, as Python's
 * `re.match` sees it; a RegExp is taken as JavaScript means it, at the start too. A vocabulary that writes ▁ for a
 * space is read as if it wrote Ġ. A set may come out empty: leave it out before `enrichment`, which refuses it.
 *
 * @param patterns by the set's name @default `tokenPatterns`
 * @example regexSets(model, { all_digits: '^Ġ*\\d+$' })
 * @throws ArgumentError for what is no pattern, TokenError for a model without tokenizer
 */
export function regexSets(
  model: HookedModel,
  patterns: Readonly<Record<string, string | RegExp>> = tokenPatterns,
): Record<string, number[]> {
  const matchers = Object.entries(patterns).map(([name, pattern]) => [name, startMatcher(pattern)] as const)
  const spellings = spellingsOf('regexSets', model)
  return Object.fromEntries(matchers.map(([name, matches]) => [name, idsWhere(spellings, matches)]))
}

/**
 * For each letter from a to z the tokens, all letters but for spaces around them, that begin with it in either case.
 *
 * @example letterSets(model).q // ids of ' quick', 'Queen', …
 * @throws TokenError for a model without tokenizer
 */
export function letterSets(model: HookedModel): Record<string, number[]> {
  const sets = Object.fromEntries(
    Array.from('abcdefghijklmnopqrstuvwxyz', (letter): [string, number[]] => [letter, []]),
  )
  spellingsOf('letterSets', model).forEach((spelling, id) => {
    const bare = spelling.replace(/^Ġ+|Ġ+$/g, '')
    if (/^\p{L}+$/u.test(bare)) sets[bare.slice(0, 1).toLowerCase()]?.push(id)
  })
  return sets
}

/** Which tokens of a word count. */
export interface WordSetOptions {
  /** Only words that are one token. @default false */
  readonly whole?: boolean
}

/**
 * All tokens of each list's words, written with a space before them: names, colours, words with a good or a bad ring. A
 * word of several tokens brings each of them, as in SAELens, so that common pieces get into every set.
 *
 * @example wordSets(model, { colours: ['red', 'green'] }, { whole: true })
 * @throws ArgumentError for a list without words, TokenError for a model without tokenizer
 */
export function wordSets(
  model: HookedModel,
  lists: Readonly<Record<string, readonly string[]>>,
  options: WordSetOptions = {},
): Record<string, number[]> {
  checkOptions('wordSets', options, { whole: true })
  const { whole = false } = options
  const tokenizer = tokenizerOf('wordSets', model)
  return Object.fromEntries(
    Object.entries(lists).map(([name, words]) => {
      if (!Array.isArray(words) || words.length === 0) {
        throw new ArgumentError(`wordSets: '${name}' is ${JSON.stringify(words)}. Give a list of at least one word.`)
      }
      const tokens = (words as string[]).map((word) => tokenizer.encode(` ${word}`))
      return [name, ascending(tokens.filter(({ length }) => !whole || length === 1).flat())]
    }),
  )
}

/**
 * The years of each decade as words, `1990's` → 1990 to 1999; see `wordSets`.
 *
 * @param decades first years @default 1910 to 2010
 * @example decadeSets(model, [1980, 1990])
 * @throws TokenError for a model without tokenizer
 */
export function decadeSets(
  model: HookedModel,
  decades: readonly number[] = Array.from({ length: 11 }, (_, i) => 1910 + 10 * i),
  options?: WordSetOptions,
): Record<string, number[]> {
  const years = (first: number) => Array.from({ length: 10 }, (_, i) => String(first + i))
  return wordSets(model, Object.fromEntries(decades.map((first) => [`${first}'s`, years(first)])), options)
}

/**
 * Each set's ids, each once and ascending.
 * @throws ArgumentError for no sets or an empty one, TokenError for an id that is not in the vocabulary
 */
export function checkedSets(verb: string, sets: TokenSets, dVocab: number): [name: string, ids: number[]][] {
  const entries = Object.entries(sets)
  if (entries.length === 0) throw new ArgumentError(`${verb}: there are no token sets. Give at least one.`)
  return entries.map(([name, ids]) => {
    if (!Array.isArray(ids) || ids.length === 0) {
      throw new ArgumentError(`${verb}: the token set '${name}' is empty. Leave it out, or give it at least one token.`)
    }
    const wrong = (ids as number[]).find((id) => !Number.isInteger(id) || id < 0 || id >= dVocab)
    if (wrong === undefined) return [name, ascending(ids as number[])]
    throw new TokenError(
      `${verb}: the token set '${name}' holds ${String(wrong)}. Token ids run from 0 to ${dVocab - 1}.`,
    )
  })
}

function ascending(ids: readonly number[]): number[] {
  return [...new Set(ids)].sort((a, b) => a - b)
}

function idsWhere(spellings: readonly string[], matches: (spelling: string) => boolean): number[] {
  return spellings.flatMap((spelling, id) => (spelling !== '' && matches(spelling) ? [id] : []))
}

/** By id; empty where the vocabulary has no token. */
function spellingsOf(verb: string, model: HookedModel): string[] {
  const tokenizer = tokenizerOf(verb, model)
  const count = Math.min(tokenizer.vocabSize, model.config.dVocab)
  const spellings = Array.from({ length: count }, (_, id) => tokenizer.vocabularyEntry(id))
  const usesBlock = !spellings.some((s) => s.startsWith('Ġ')) && spellings.some((s) => s.startsWith('▁'))
  return usesBlock ? spellings.map((s) => s.replaceAll('▁', 'Ġ')) : spellings
}

/** The model's tokenizer. @throws TokenError for a model without one */
export function tokenizerOf(verb: string, { tokenizer, name }: HookedModel): Tokenizer {
  if (tokenizer) return tokenizer
  throw new TokenError(`${verb}: ${name} has no tokenizer. Give the sets as token ids.`)
}
