/** Token sets by part of speech, each token read as a word by itself. */
import { progressOptionNames, type ProgressOptions } from '../../lib/core/job-options.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import { checkOptions } from '../../lib/errors/options.js'
import type { HookedModel } from '../../lib/model.js'
import type { Tokenizer } from '../../lib/tokens/tokenizer.js'
import { tokenizerOf } from './token-sets.js'

/** How far the tagging has come, and when it stops. */
export type PartOfSpeechOptions = ProgressOptions

/** Sets that were made, by tokenizer: a vocabulary is tagged once. */
const made = new WeakMap<Tokenizer, Promise<Record<string, number[]>>>()

/** Tokens that are tagged between two reports. */
const STEP = 2000

/**
 * Tokens by the tag of the Penn Treebank (`NN` noun, `VBD` verb in the past, `PRP$` possessive pronoun, …) that their
 * text has as a sentence of its own, spaces around it left out; tags by wink-pos-tagger. Left out are tokens without a
 * letter or digit, and those the tagger does not know and takes for names (`NNP`) although they have no capital: pieces
 * of words, other scripts. Some seconds for 50,000 tokens, once a tokenizer. Progress counts tokens.
 *
 * @example const { NN, VBD } = await partOfSpeechSets(model)
 * @throws TokenError for a model without tokenizer
 */
export async function partOfSpeechSets(
  model: HookedModel,
  options: PartOfSpeechOptions = {},
): Promise<Record<string, number[]>> {
  checkOptions('partOfSpeechSets', options, progressOptionNames)
  const tokenizer = tokenizerOf('partOfSpeechSets', model)
  const known = made.get(tokenizer) ?? tagged(tokenizer, options)
  made.set(tokenizer, known)
  const sets = await known.catch((error: unknown) => {
    made.delete(tokenizer) // stopped: the next call begins again
    throw error
  })
  const inModel = (id: number) => id < model.config.dVocab
  return Object.fromEntries(Object.entries(sets).map(([tag, ids]) => [tag, ids.filter(inModel)]))
}

async function tagged(tokenizer: Tokenizer, options: PartOfSpeechOptions): Promise<Record<string, number[]>> {
  const { default: makeTagger } = await import('wink-pos-tagger') // megabytes of words, for those who ask
  const tagger = makeTagger()
  const total = tokenizer.vocabSize
  using report = jobProgress('parts of speech', options, total)
  const sets = new Map<string, number[]>()
  for (let id = 0; id < total; id++) {
    const tag = tagOf(tokenizer.tokenString(id).trim(), (word) => tagger.tagRawTokens([word])[0]?.pos)
    if (tag !== undefined && !sets.get(tag)?.push(id)) sets.set(tag, [id])
    if ((id + 1) % STEP !== 0 && id + 1 < total) continue
    report(id + 1)
    options.signal?.throwIfAborted()
    await new Promise((next) => setTimeout(next, 0)) // for the bar, and for what else waits
  }
  return Object.fromEntries([...sets].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function tagOf(word: string, tag: (word: string) => string | undefined): string | undefined {
  if (!/[\p{L}\p{N}]/u.test(word) || word.includes('\ufffd')) return undefined
  const found = tag(word)
  return found === 'NNP' && !/^\p{Lu}/u.test(word) ? undefined : found
}
