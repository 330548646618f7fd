/** Finds the tokenizer of a model folder, whichever of the usual files it comes in. */
import { parseJson } from '../weights/json-file.js'
import { gpt2Tokenizer } from './gpt-tokenizer.js'
import { tokenizerFromJson } from './tokenizer-json.js'
import type { Tokenizer } from './tokenizer.js'
import { tokenizerJsonFromMerges } from './vocab-merges.js'

/** The text files of a model folder, local or on a hub. */
export interface TokenizerFiles {
  has(file: string): Promise<boolean>
  readText(file: string): Promise<string>
}

const gpt2VocabSize = 50257

/**
 * The tokenizer of a folder: tokenizer.json, else vocab.json with merges.txt, else GPT-2's own where config.json says
 * that the model is a GPT-2 or GPT-Neo with its 50,257 tokens; undefined if there is none.
 * @param config the folder's config.json
 * @throws FileError when one of the files is not JSON or malformed.
 */
export async function loadTokenizer(
  files: TokenizerFiles,
  config: { model_type?: string; vocab_size?: number },
): Promise<Tokenizer | undefined> {
  const [tokenizerConfig, special] = [
    await readJson(files, 'tokenizer_config.json'),
    await readJson(files, 'special_tokens_map.json'),
  ]
  const json = await readJson(files, 'tokenizer.json')
  if (json !== undefined) return tokenizerFromJson(json, tokenizerConfig, special, config)
  const vocab = await readJson(files, 'vocab.json')
  if (vocab !== undefined && (await files.has('merges.txt'))) {
    const merged = tokenizerJsonFromMerges(vocab, await files.readText('merges.txt'), tokenizerConfig, special)
    return tokenizerFromJson(merged, tokenizerConfig, special, config)
  }
  const isGpt2 = config.model_type === 'gpt2' || config.model_type === 'gpt_neo'
  return isGpt2 && config.vocab_size === gpt2VocabSize ? gpt2Tokenizer() : undefined
}

async function readJson(files: TokenizerFiles, file: string): Promise<unknown> {
  if (!(await files.has(file))) return undefined
  return parseJson(await files.readText(file), `loadTokenizer: ${file}`)
}
