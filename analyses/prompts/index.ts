/** Prompts to study, and small numbers about prompts. */
export {
  arithmeticPrompts,
  writePrompts,
  type ArithmeticOperation,
  type ArithmeticOptions,
  type ArithmeticPrompt,
} from './arithmetic-prompts.js'
export { generationAccuracy, type GenerationAccuracyOptions } from './generation-accuracy.js'
export { GenerationAccuracy, type QuestionWithAnswer } from './generation-accuracy-result.js'
export { ioiPrompts, type IoiOptions, type IoiPrompt } from './ioi-prompts.js'
export { meanActivation, rareTokens, tokenCounts, type MeanActivationOptions } from './prompt-statistics.js'
