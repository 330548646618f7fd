/** Finds the tokenizer of a model folder, whichever of the usual files it comes in. */
import { parseJson } from '../files/json-file.js'
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

/** Makes the tokenizer out of files that are read. @throws FileError when one of them is not JSON or malformed */
export type BuildTokenizer = () => Tokenizer

/**
 * What makes the tokenizer of a folder: tokenizer.json, else vocab.json with merges.txt, else GPT-2's own where
 * config.json says that the model is a GPT-2 or GPT-Neo with its 50,257 tokens; undefined if there is none.
 * @param config the folder's config.json
 * @throws FileError when one of the files cannot be read.
 */
export async function readTokenizer(
  files: TokenizerFiles,
  config: { model_type?: string; vocab_size?: number },
): Promise<BuildTokenizer | undefined> {
  const text = async (file: string) => ((await files.has(file)) ? files.readText(file) : undefined)
  const [ofTokenizer, ofSpecial] = [await text('tokenizer_config.json'), await text('special_tokens_map.json')]
  const build = (json: (tokenizerConfig: unknown, special: unknown) => unknown) => (): Tokenizer => {
    const named = [parsed('tokenizer_config.json', ofTokenizer), parsed('special_tokens_map.json', ofSpecial)] as const
    return tokenizerFromJson(json(...named), ...named, config)
  }
  const whole = await text('tokenizer.json')
  if (whole !== undefined) return build(() => parsed('tokenizer.json', whole))
  const vocab = await text('vocab.json')
  const merges = vocab === undefined ? undefined : await text('merges.txt')
  if (merges !== undefined) {
    return build((...named) => tokenizerJsonFromMerges(parsed('vocab.json', vocab), merges, ...named))
  }
  const isGpt2 = config.model_type === 'gpt2' || config.model_type === 'gpt_neo'
  if (!isGpt2 || config.vocab_size !== gpt2VocabSize) return undefined
  const own = await gpt2Tokenizer()
  return () => own
}

function parsed(file: string, text: string | undefined): unknown {
  return text === undefined ? undefined : parseJson(text, `loadTokenizer: ${file}`)
}
