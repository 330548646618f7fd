/** What a model says about texts, tokens and positions: the verbs that need no run. */
import { checkOptions, type OptionNames } from '../errors/options.js'
import { answerIds, type Answers, type MetricContext } from './metrics.js'
import * as strings from '../tokens/strings.js'
import type { Tokenizer } from '../tokens/tokenizer.js'
import { tokenOptionNames, tokenOptionsOf, toTokens } from '../tokens/tokens.js'
import type { Prompts, TokenContext, TokenOptions, Tokens } from '../tokens/tokens.js'
import type { ModelConfig } from '../transformer/architecture.js'

/** A model's name, sizes and tokenizer, and its verbs about texts. `HookedModel` adds those that run it. */
export abstract class TextModel {
  readonly name: string
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer | undefined

  constructor({ name, config, tokenizer }: Pick<TextModel, 'name' | 'config' | 'tokenizer'>) {
    this.name = name
    this.config = config
    this.tokenizer = tokenizer
  }

  /**
   * Prompts as token ids [B,P], checked against vocabulary and context; a text gets BOS in front by default.
   *
   * @example model.toTokens(['Carl and Eva', 'Eva sang']) // Tokens [2,4], padded right
   * @throws TokenError for prompts that cannot be run
   */
  toTokens(prompts: Prompts, options: TokenOptions = {}): Tokens {
    return this.tokensFor(prompts, options, { verb: 'toTokens', names: tokenOptionNames })
  }

  /** Prompts of a verb, whose options are checked first. */
  protected tokensFor<O extends TokenOptions>(
    prompts: Prompts,
    options: O,
    { verb, names }: { readonly verb: string; readonly names: OptionNames<O> },
  ): Tokens {
    checkOptions(verb, options, names)
    return toTokens(this.#context, prompts, tokenOptionsOf(options))
  }

  /** The text of token ids. @throws TokenError for an id that is not in the vocabulary */
  toString(ids: readonly number[]): string {
    return strings.toString(this.#context, ids)
  }

  /**
   * The text of each token of a prompt [P], BOS first by default.
   *
   * @example model.toStrTokens('Carl and Eva') // ['<|endoftext|>', 'Carl', ' and', ' Eva']
   * @throws TokenError as `toTokens`
   */
  toStrTokens(prompt: strings.Prompt, options: Pick<TokenOptions, 'prependBos'> = {}): string[] {
    checkOptions('toStrTokens', options, { prependBos: true })
    return strings.toStrTokens(this.#context, prompt, options)
  }

  /**
   * The id of a text that is one token.
   *
   * @example model.toSingleToken(' Carl')
   * @throws TokenError that lists the tokens where it is several
   */
  toSingleToken(text: string): number {
    return strings.toSingleToken(this.#context, text)
  }

  /**
   * The position of a token, given as text or id, in a prompt.
   *
   * @example model.getTokenPosition(' hill', prompt) // 15
   * @throws TokenError when it does not occur
   */
  getTokenPosition(single: string | number, prompt: strings.Prompt, options: strings.PositionOptions = {}): number {
    checkOptions('getTokenPosition', options, { mode: true, prependBos: true })
    return strings.getTokenPosition(this.#context, single, prompt, options)
  }

  /** Ids of answers given as text or id, one for all prompts or one for each. @throws ArgumentError, TokenError */
  answerIds(verb: string, answers: Answers, tokens: Tokens): number[] {
    return answerIds(verb, answers, this.metricContext(tokens))
  }

  /** What a metric may need to know of prompts before they are run. */
  metricContext(tokens: Tokens): MetricContext {
    const { name, config } = this
    return { tokens, name, dVocab: config.dVocab, toSingleToken: (text) => this.toSingleToken(text) }
  }

  get #context(): TokenContext {
    return { tokenizer: this.tokenizer, nCtx: this.config.nCtx, dVocab: this.config.dVocab, name: this.name }
  }
}
