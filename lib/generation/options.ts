/** What generation takes, and what is refused before its first step. */
import { chosenNames, type NameFilter } from '../core/hook-filters.js'
import type { HookedView } from '../core/hooked-view.js'
import { ArgumentError, TokenError } from '../errors/errors.js'
import type { OptionNames } from '../errors/options.js'
import { tokenOptionNames, type TokenOptions, type Tokens } from '../tokens/tokens.js'
import { checkSampling, type SamplingOptions } from './sampling.js'

export interface GenerateOptions extends SamplingOptions, Omit<TokenOptions, 'paddingSide'> {
  /** Tokens to generate for each prompt, at most. @default 10 */
  readonly maxNewTokens?: number
  /** False takes the most likely token each time. @default true */
  readonly sample?: boolean
  /** Stop a row at the end-of-sequence token; shorter rows are filled up with it. @default true */
  readonly stopAtEos?: boolean
  /** The end-of-sequence token. @default the tokenizer's */
  readonly eosId?: number
  /** For sampling. @default 0 */
  readonly seed?: number
  /** Keep keys and values of earlier positions. False recomputes everything each step. @default true */
  readonly useCache?: boolean
  /** Keep these activations of every position that is run (`generate` only). @default none */
  readonly names?: NameFilter
  /** Keep the logits each new token was taken from (`generate` only). @default false */
  readonly logits?: boolean
}

const { prependBos, truncate } = tokenOptionNames

/** The names of `GenerateOptions`, for `checkOptions`. */
export const generateOptionNames: OptionNames<GenerateOptions> = {
  prependBos,
  truncate,
  temperature: true,
  topK: true,
  topP: true,
  freqPenalty: true,
  maxNewTokens: true,
  sample: true,
  stopAtEos: true,
  eosId: true,
  seed: true,
  useCache: true,
  names: true,
  logits: true,
}

/** @throws ArgumentError, TokenError for options or prompts that this model cannot generate with */
export function checkGeneration(
  view: Pick<HookedView, 'name' | 'config' | 'tokenizer'>,
  prompts: Tokens,
  options: GenerateOptions,
): void {
  const { maxNewTokens = 10, stopAtEos = true, eosId } = options
  const { nCtx, dVocab } = view.config
  checkSampling(options, dVocab)
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1) {
    throw new ArgumentError(`generate: maxNewTokens is ${maxNewTokens}. It must be a whole number from 1.`)
  }
  if (prompts.positions + maxNewTokens > nCtx) {
    throw new TokenError(
      `generate: ${prompts.positions} tokens of prompt and ${maxNewTokens} new ones do not fit into the context of ` +
        `${view.name}, ${nCtx}. Shorten the prompt or generate less.`,
    )
  }
  if (prompts.mask && prompts.paddingSide === 'right') {
    throw new TokenError(
      'generate: the prompts are padded on the right, where the new tokens go. Pad them on the left.',
    )
  }
  if (stopAtEos && (eosId ?? view.tokenizer?.eosId) === undefined) {
    throw new ArgumentError(`generate: ${view.name} has no end-of-sequence token. Give eosId, or stopAtEos: false.`)
  }
}

/** The hook points whose activations are kept. @throws HookError, ArgumentError */
export function keptNames(
  view: Pick<HookedView, 'name' | 'hookPoints'>,
  { names: filter, useCache }: GenerateOptions,
): string[] {
  if (filter === undefined) return []
  const names = chosenNames('generate', filter, view)
  if (useCache === false)
    throw new ArgumentError('generate: names need useCache. Leave useCache out to keep activations.')
  const square = names.find((name) => /hook_(attn_scores|pattern)$/.test(name))
  if (square === undefined) return names
  throw new ArgumentError(
    `generate: '${square}' has another number of keys at each step. ` +
      'Run the generated tokens with runWithCache to see it.',
  )
}
