/** The older form of a GPT-2 tokenizer, vocab.json and merges.txt, written as a tokenizer.json. */
import { FileError } from '../errors/errors.js'
import { isJsonObject } from '../files/json-file.js'
import { brief } from '../errors/brief.js'
import { specialName } from './tokenizer-json.js'
import { type AddedToken, type Json } from './vocabulary.js'

const specialKeys = ['bos_token', 'eos_token', 'unk_token', 'pad_token']
const gpt2Special = '<|endoftext|>'

/**
 * The tokenizer.json that vocab.json and merges.txt stand for: byte-level BPE with the words of GPT-2. Special tokens
 * are those the other two files name, or else `<|endoftext|>`; one that has no id yet takes the next free one.
 * @throws FileError when a line of merges.txt is not a pair of tokens.
 */
export function tokenizerJsonFromMerges(
  vocab: unknown,
  mergesText: string,
  tokenizerConfig?: unknown,
  specialTokensMap?: unknown,
): Json {
  const ids = isJsonObject(vocab) ? vocab : {}
  const prefixed = isJsonObject(tokenizerConfig) && tokenizerConfig.add_prefix_space === true
  return {
    added_tokens: addedTokens(ids, tokenizerConfig, specialTokensMap),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: prefixed, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab, merges: readMerges(mergesText) },
  }
}

function readMerges(text: string): string[][] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (line === '' || (i === 0 && line.startsWith('#version'))) return []
    const pair = line.split(' ')
    if (pair.length === 2 && pair[0] !== '' && pair[1] !== '') return [pair]
    throw new FileError(
      `tokenizerJsonFromMerges: line ${i + 1} of merges.txt is '${brief(line)}'. ` +
        `Each line must be two tokens with a space between.`,
    )
  })
}

function addedTokens(vocab: Json, tokenizerConfig: unknown, specialTokensMap: unknown): AddedToken[] {
  const files = [tokenizerConfig, specialTokensMap]
  const named = files
    .flatMap((file) => specialKeys.map((key) => specialName(file, key)))
    .filter((name) => name !== undefined)
  const numbered = configuredIds(tokenizerConfig)
  const ids = new Map<string, number>()
  let next = [...numbered.values(), ...idsOf(vocab)].reduce((last, id) => Math.max(last, id), -1) + 1
  for (const content of named.length > 0 ? named : [gpt2Special]) {
    if (!ids.has(content)) ids.set(content, idOf(vocab, content) ?? numbered.get(content) ?? next++)
  }
  return [...ids].map(([content, id]) => ({ id, content, special: true, normalized: false }))
}

function configuredIds(tokenizerConfig: unknown): Map<string, number> {
  const decoder = isJsonObject(tokenizerConfig) ? tokenizerConfig.added_tokens_decoder : undefined
  const entries = isJsonObject(decoder)
    ? Object.keys(decoder).map((id) => [specialName(decoder, id) ?? '', Number(id)])
    : []
  return new Map(entries as [string, number][])
}

const idOf = (vocab: Json, token: string) => (Object.hasOwn(vocab, token) ? (vocab[token] as number) : undefined)
const idsOf = (vocab: Json) => Object.values(vocab).filter((id) => typeof id === 'number')
