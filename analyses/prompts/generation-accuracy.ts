/** How often a model continues with the right text. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import type { GenerateOptions } from '../../lib/generation/index.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenOptionsOf, tokenOptionNames } from '../../lib/tokens/tokens.js'
import { GenerationAccuracy, type QuestionWithAnswer } from './generation-accuracy-result.js'

/** Those of `generate`; `{ sample: false }` takes the most likely token each time. */
export type GenerationAccuracyOptions = Omit<GenerateOptions, 'maxNewTokens' | 'names' | 'logits' | 'paddingSide'>

const optionNames: OptionNames<GenerationAccuracyOptions> = {
  ...tokenOptionNames,
  sample: true,
  stopAtEos: true,
  eosId: true,
  seed: true,
  useCache: true,
  temperature: true,
  topK: true,
  topP: true,
  freqPenalty: true,
}

/**
 * Generates as many tokens as the longest answer has and one more, so that ` 14` is not taken for ` 1`: right is a text
 * that begins with the answer and continues with no further letter or digit. Prompts are padded on the left.
 *
 * @example (await generationAccuracy(model, arithmeticPrompts({ count: 20 }), { sample: false })).accuracy
 * @throws ArgumentError without a question
 */
export async function generationAccuracy(
  view: HookedModel,
  questions: readonly QuestionWithAnswer[],
  options: GenerationAccuracyOptions = {},
): Promise<GenerationAccuracy> {
  checkOptions('generationAccuracy', options, optionNames)
  if (questions.length === 0) throw new ArgumentError('generationAccuracy: there is no question. Give at least one.')
  const asked = questions.map(({ text, answer }) => ({ text, answer }))
  const lengths = asked.map(({ answer }) => view.toStrTokens(answer, { prependBos: false }).length)
  const prompts = asked.map(({ text }) => text)
  const tokens = view.toTokens(prompts, { ...tokenOptionsOf(options), paddingSide: 'left' })
  const { texts } = await view.generate(tokens, { ...options, maxNewTokens: Math.max(...lengths) + 1 })
  const judged = asked.map(({ answer }, i) => {
    const text = texts[i] ?? ''
    const right = text.startsWith(answer) && !/^[\p{L}\p{N}]/u.test(text.slice(answer.length))
    return { right, said: right ? answer : text }
  })
  return new GenerationAccuracy({
    questions: asked,
    said: judged.map(({ said }) => said),
    right: judged.map(({ right }) => right),
    provenance: await view.provenance({ prependBos: options.prependBos ?? true, seed: options.seed }),
  })
}
