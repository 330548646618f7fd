/** GPT-2's own tokenizer (50,257 ids), from the byte-pair ranks that the package gpt-tokenizer carries. */
import { readLetters, spell, spellText, wordPattern } from './byte-level.js'
import { checkIsId, type Tokenizer } from './tokenizer.js'

const endOfText = '<|endoftext|>'
const cachedWords = 50_000
let shared: Promise<Tokenizer> | undefined

/**
 * The tokenizer of GPT-2 and GPT-Neo, loaded at the first call. BOS, EOS and padding are `<|endoftext|>`, 50256.
 *
 * Only the rank table is taken from gpt-tokenizer: its `encode` finds special tokens at the start of a text alone, and
 * its `decode` carries unfinished bytes over to the next call. The ids are those of Hugging Face's GPT-2 tokenizer,
 * next to U+FEFF and U+0085 too; letters and digits that Unicode gained lately may be cut apart differently, since
 * each library follows its own edition of Unicode.
 */
export function gpt2Tokenizer(): Promise<Tokenizer> {
  shared ??= import('gpt-tokenizer/bpeRanks/r50k_base').then((module) => fromRanks(module.default))
  return shared
}

function fromRanks(ranks: readonly (string | readonly number[])[]): Tokenizer {
  const entries = ranks.map((token) => (typeof token === 'string' ? spellText(token) : spell(token)))
  const rankOf = new Map(entries.map((letters, rank) => [letters, rank]))
  const special = entries.push(endOfText) - 1
  const encodeWord = cached((word: string) => mergePairs(spellText(word), rankOf))
  const encodePlain = (text: string) => (text.match(wordPattern) ?? []).flatMap(encodeWord)
  const decode = (ids: readonly number[]) => readLetters(ids.map(vocabularyEntry).join(''))

  function vocabularyEntry(id: number): string {
    checkIsId('decode', id)
    return entries[id] ?? ''
  }

  return {
    vocabSize: entries.length,
    bosId: special,
    eosId: special,
    padId: special,
    prependsBos: false,
    encode: (text) => text.split(endOfText).flatMap((part, i) => [...(i > 0 ? [special] : []), ...encodePlain(part)]),
    decode,
    tokenString: (id) => decode([id]),
    vocabularyEntry,
  }
}

/** Ids of one word: joins the pair of neighbours with the lowest rank, wherever it stands, until no pair is a token. */
function mergePairs(word: string, rankOf: ReadonlyMap<string, number>): number[] {
  let parts = [...word]
  for (;;) {
    const pair = lowestPair(parts, rankOf)
    if (pair === undefined) return parts.map((part) => rankOf.get(part)!)
    parts = joinPair(parts, pair)
  }
}

function lowestPair(parts: readonly string[], rankOf: ReadonlyMap<string, number>): [string, string] | undefined {
  let best: [string, string] | undefined
  let lowest = Infinity
  for (let i = 0; i + 1 < parts.length; i++) {
    const rank = rankOf.get(parts[i]! + parts[i + 1]!)
    if (rank !== undefined && rank < lowest) [lowest, best] = [rank, [parts[i]!, parts[i + 1]!]]
  }
  return best
}

function joinPair(parts: readonly string[], [left, right]: [string, string]): string[] {
  const joined: string[] = []
  for (let i = 0; i < parts.length; i++) {
    const matches = parts[i] === left && parts[i + 1] === right
    joined.push(matches ? left + right : parts[i]!)
    if (matches) i++
  }
  return joined
}

/** Words repeat: keeps the ids of the last ones seen. */
function cached(encodeWord: (word: string) => number[]): (word: string) => number[] {
  const known = new Map<string, number[]>()
  return (word) => {
    const hit = known.get(word)
    if (hit) return hit
    if (known.size >= cachedWords) known.clear()
    const ids = encodeWord(word)
    known.set(word, ids)
    return ids
  }
}
