/** A tokenizer from the files of a Hugging Face folder: tokenizer.json and what goes with it. */
import { Tokenizer as JsonTokenizer } from '@huggingface/tokenizers'
import { TokenError } from '../errors/errors.js'
import { isJsonObject } from '../files/json-file.js'
import { brief } from '../errors/brief.js'
import { followRust, type PackageTokenizer } from './rust-rules.js'
import { checkIsId, type Tokenizer } from './tokenizer.js'
import { broken, readAddedTokens, readVocabulary, type AddedToken, type Json } from './vocabulary.js'

type Special = 'bos' | 'eos' | 'pad'

/**
 * The tokenizer that a tokenizer.json describes. Ids and texts are those of the Rust tokenizers for byte-level models
 * (GPT-2, GPT-Neo, GPT-NeoX, Qwen, Llama 3), next to U+FEFF, U+0085 and rare digits too, where the JavaScript package
 * alone differs; letters that Unicode gained lately may be cut apart differently, and half of a surrogate pair is read
 * as U+FFFD.
 *
 * BOS, EOS and padding are the tokens named in tokenizer_config.json or special_tokens_map.json; a name that the
 * vocabulary lacks counts as none. For a BOS or EOS that they do not mention, config.json's `bos_token_id` and
 * `eos_token_id` decide. BOS and padding fall back to EOS, as in TransformerLens.
 * @throws FileError when tokenizer.json is malformed or of a kind that is not supported.
 */
export function tokenizerFromJson(
  tokenizerJson: unknown,
  tokenizerConfig?: unknown,
  specialTokensMap?: unknown,
  config?: unknown,
): Tokenizer {
  if (!isJsonObject(tokenizerJson)) throw broken('it is not an object', 'It must hold a model with a vocabulary')
  const model = tokenizerJson.model
  if (!isJsonObject(model)) throw broken(`model is ${brief(model)}`, 'It must hold the vocabulary')
  const added = readAddedTokens(tokenizerJson, tokenizerConfig)
  const spellings = readVocabulary(model, added)
  const ids = specialIds(spellings, [tokenizerConfig, specialTokensMap], config)
  return wrap(build(tokenizerJson, model, added), spellings, ids)
}

/** The package's tokenizer, with the rules of Rust. It is given no tokenizer_config: Rust obeys tokenizer.json alone. */
function build(json: Json, model: Json, added: readonly AddedToken[]): PackageTokenizer {
  const steps = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null }
  const parts = { ...steps, ...json, added_tokens: added, model: typed(model) }
  try {
    const tokenizer = new JsonTokenizer(parts, {}) as PackageTokenizer
    followRust(tokenizer)
    return tokenizer
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw broken(brief(reason), supported)
  }
}

/** Older files, GPT-2's own among them, do not name the kind of model: it shows in what it holds. */
function typed(model: Json): Json {
  const kind = 'merges' in model ? 'BPE' : Array.isArray(model.vocab) ? 'Unigram' : 'WordPiece'
  const type = model.type ?? kind
  if (type === kind) return { ...model, type }
  throw broken(`model.type is ${brief(type)}, but it holds what ${kind} does`, supported)
}

const supported = 'BPE with merges, Unigram with scores and WordPiece are supported'

function wrap(
  inner: PackageTokenizer,
  spellings: readonly (string | undefined)[],
  ids: Record<Special, number | undefined>,
): Tokenizer {
  const decode = (tokens: readonly number[]) => {
    tokens.forEach((id) => checkIsId('decode', id))
    const known = tokens.filter((id) => spellings[id] !== undefined)
    // The package would tidy spaces before punctuation away, and refuses an empty list.
    return known.length === 0 ? '' : inner.decode(known, { clean_up_tokenization_spaces: false })
  }
  return {
    vocabSize: spellings.length,
    bosId: ids.bos,
    eosId: ids.eos,
    padId: ids.pad,
    prependsBos: ids.bos !== undefined && inner.encode('a').ids[0] === ids.bos,
    encode: (text) => checkKnown(inner.encode(text, { add_special_tokens: false }).ids, text),
    decode,
    tokenString: (id) => decode([id]),
    vocabularyEntry(id) {
      checkIsId('vocabularyEntry', id)
      return spellings[id] ?? ''
    },
  }
}

/** The package gives undefined for a piece of text that the vocabulary cannot spell. */
function checkKnown(ids: (number | undefined)[], text: string): number[] {
  if (!ids.includes(undefined)) return ids as number[]
  throw new TokenError(
    `encode: the vocabulary cannot spell '${brief(text)}', and has no token for the unknown. Change the text.`,
  )
}

function specialIds(
  spellings: readonly (string | undefined)[],
  named: readonly unknown[],
  config: unknown,
): Record<Special, number | undefined> {
  const namedId = (kind: Special) => {
    const name = named.map((file) => specialName(file, `${kind}_token`)).find((found) => found !== undefined)
    const id = typeof name === 'string' ? spellings.indexOf(name) : -1
    return id < 0 ? undefined : id
  }
  const isDenied = (kind: Special) => named.some((file) => isJsonObject(file) && file[`${kind}_token`] === null)
  const configId = (kind: Special) => {
    const given = isJsonObject(config) ? config[`${kind}_token_id`] : undefined
    const id: unknown = Array.isArray(given) ? given[0] : given
    return typeof id === 'number' && spellings[id] !== undefined ? id : undefined
  }
  const find = (kind: Special) => namedId(kind) ?? (isDenied(kind) ? undefined : configId(kind))
  const eos = find('eos')
  return { eos, bos: find('bos') ?? eos, pad: namedId('pad') ?? eos ?? configId('pad') }
}

/** A special token stands as a string, or as an object with its `content`. */
export function specialName(file: unknown, key: string): string | undefined {
  const value = isJsonObject(file) ? file[key] : undefined
  const name = isJsonObject(value) ? value.content : value
  return typeof name === 'string' ? name : undefined
}
