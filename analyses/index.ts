/**
 * Analyses: plain functions from a view, prompts and options to a plain result. Hand them to `model.use({ … })` as methods.
 * @module tfjs-lens/analyses
 */
export {
  arithmeticPrompts,
  writePrompts,
  type ArithmeticOptions,
  type ArithmeticPrompt,
  type Operation,
} from './prompts/arithmetic-prompts.js'
export { generationAccuracy } from './prompts/generation-accuracy.js'
export { GenerationAccuracy, type Question } from './prompts/generation-accuracy-result.js'
export { ioiPrompts, type IoiPrompt } from './prompts/ioi-prompts.js'
export { logitLens, type LogitLensOptions } from './logit-lens/logit-lens.js'
export { LogitLens } from './logit-lens/logit-lens-result.js'
export { evaluateSae, type EvaluationOptions } from './sae-evaluation/sae-evaluation.js'
export { SaeEvaluation, type EvaluationMetrics } from './sae-evaluation/sae-evaluation-result.js'
export { positionAxis, promptAxis, tokenLabel } from '../lib/core/labels.js'
export { maxActivating, type MaxActivatingOptions } from './max-activating/max-activating.js'
export {
  MaxActivating,
  type Example,
  type MaxActivatingAbout,
  type SourceAttribution,
} from './max-activating/max-activating-result.js'
export { topLatents, type TopLatentsOptions } from './latent-activations/top-latents.js'
export { topLogits, type TopLogitsOptions } from './logit-lens/top-logits.js'
export { TopLogits, type LatentLogits, type TokenLogit } from './logit-lens/top-logits-result.js'
export { answerRanks, meanInterval, type AnswerRanksOptions } from './logit-lens/answer-ranks.js'
export { latentMaxima, latentsAt, type LatentActivationsOptions } from './latent-activations/latent-activations.js'
export { LatentMaxima } from './latent-activations/latent-maxima.js'
export * from './attribution/index.js'
export * from './patching/index.js'
export { lossRecovered } from './losses.js'
export { positionsAt, type PromptPositions } from './prompt-positions.js'
export { loadResult, type SavedResult } from './load-result.js'
export { latentPeaks, peakExamples, type LatentPeaksOptions } from './max-activating/latent-peaks.js'
export { LatentPeaks, type FoundPeaks, type Peak } from './max-activating/latent-peaks-result.js'
export { meanActivation, rareTokens, tokenCounts } from './prompts/prompt-statistics.js'
export { reconstructionLoss, type ReconstructionLossOptions } from './sae-evaluation/reconstruction-loss.js'
export {
  latentStatistics,
  latentStatisticNames,
  type LatentStatistic,
  type LatentStatisticsOptions,
  type SaeLatents,
} from './latent-statistics/latent-statistics.js'
export {
  statisticAnimation,
  statisticAreas,
  statisticBoxes,
  statisticByLayer,
  statisticHistogram,
  statisticScatter,
  type StatisticFigureOptions,
} from './latent-statistics/figures.js'
export { latentProperties, latentPropertyNames } from './latent-statistics/properties.js'
export { latentsBy, summarizeStatistic, type LatentQuery, type LatentValue } from './latent-statistics/queries.js'
export { joinStatistics } from './latent-statistics/join.js'
export { latentDensity, type LatentDensityOptions } from './latent-statistics/latent-density.js'
export { quickListUrl, type NeuronpediaSae } from './latent-statistics/quick-list.js'
export { decadeSets, letterSets, regexSets, tokenPatterns, wordSets, type TokenSets } from './enrichment/token-sets.js'
export { partOfSpeechSets, type PartOfSpeechOptions } from './enrichment/part-of-speech-sets.js'
export { wordLists } from './enrichment/word-lists.js'
export { enrichment, type EnrichmentOptions } from './enrichment/enrichment.js'
export { manhattan, topEnriched, type ManhattanOptions } from './enrichment/figures.js'
