/** What states, latents and changes of the model say through the unembedding. */
export { answerRanks, AnswerRanks, meanInterval, type AnswerRanksOptions, type MeanInterval } from './answer-ranks.js'
export { logitLens, type LogitLensOptions } from './logit-lens.js'
export { LogitLens } from './logit-lens-result.js'
export { topLogits, type TopLogitsOptions } from './top-logits.js'
export { TopLogits, type LatentLogits, type TokenLogit } from './top-logits-result.js'
