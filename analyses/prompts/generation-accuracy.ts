/** How often a model goes on with the right text. */
import { ArgumentError } from '../../lib/errors/errors.js'
import type { GenerateOptions } from '../../lib/generation/generate.js'
import type { HookedModel } from '../../lib/model.js'
import { GenerationAccuracy, type Question } from './generation-accuracy-result.js'

/**
 * Generates as many tokens as the longest answer has and one more, so that ` 14` is not taken for ` 1`: right is a text
 * that begins with the answer and goes on with no further letter or digit. Prompts are padded on the left.
 * @param options those of `generate`; `{ sample: false }` takes the most likely token each time
 * @throws ArgumentError without a question
 */
export async function generationAccuracy(
  view: HookedModel,
  questions: readonly Question[],
  options: Omit<GenerateOptions, 'maxNewTokens' | 'names' | 'logits' | 'paddingSide'> = {},
): Promise<GenerationAccuracy> {
  if (questions.length === 0) throw new ArgumentError('generationAccuracy: there is no question. Give at least one.')
  const lengths = questions.map(({ answer }) => view.toStrTokens(answer, { prependBos: false }).length)
  const tokens = view.toTokens(questions.map(({ text }) => text), { ...options, paddingSide: 'left' }) // prettier-ignore
  const { texts } = await view.generate(tokens, { ...options, maxNewTokens: Math.max(...lengths) + 1 })
  const right = texts.map((text, i) => {
    const { answer } = questions[i]!
    return text.startsWith(answer) && !/^[\p{L}\p{N}]/u.test(text.slice(answer.length))
  })
  const said = texts.map((text, i) => (right[i] ? questions[i]!.answer : text))
  const asked = questions.map(({ text, answer }) => ({ text, answer }))
  const provenance = await view.provenance({ prependBos: options.prependBos ?? true, seed: options.seed })
  return new GenerationAccuracy({ questions: asked, said, right, provenance })
}
