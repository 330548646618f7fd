/**
 * Analyses: plain functions from a view, prompts and options to a plain result. Hand them to `model.use({ … })` as methods.
 * @module tfjs-lens/analyses
 */
export { ablation, type AblationOptions } from './patching/ablation.js'
export { activationPatching, type PatchingOptions } from './patching/activation-patching.js'
export {
  arithmeticPrompts,
  writePrompts,
  type ArithmeticOptions,
  type ArithmeticPrompt,
  type Operation,
} from './prompts/arithmetic-prompts.js'
export { attributionPatching, type AttributionOptions } from './attribution/attribution-patching.js'
export { directLogitAttribution, type DlaOptions } from './attribution/direct-logit-attribution.js'
export { generationAccuracy } from './prompts/generation-accuracy.js'
export { GenerationAccuracy, type Question } from './prompts/generation-accuracy-result.js'
export { edgeAttribution, type EdgeAttributionOptions } from './attribution/edge-attribution.js'
export { ioiPrompts, type IoiPrompt } from './prompts/ioi-prompts.js'
export { latentPaths, type LatentPathsOptions } from './attribution/latent-paths.js'
export { logitLens, type LogitLensOptions } from './logit-lens/logit-lens.js'
export { LogitLens } from './logit-lens/logit-lens-result.js'
export { evaluateSae, type EvaluationOptions } from './sae-evaluation/sae-evaluation.js'
export { SaeEvaluation, type EvaluationMetrics } from './sae-evaluation/sae-evaluation-result.js'
export type { InterventionOptions } from './patching/interventions.js'
export { pathPatching, type PathPatchingOptions } from './patching/path-patching.js'
export type { Target } from './patching/targets.js'
export { positionAxis, promptAxis, tokenLabel } from './labels.js'
export { featureDfa, type FeatureDfaOptions } from './attribution/feature-dfa.js'
export { maxActivating, type MaxActivatingOptions } from './max-activating/max-activating.js'
export {
  MaxActivating,
  type Example,
  type MaxActivatingAbout,
  type SourceAttribution,
} from './max-activating/max-activating-result.js'
export { topLatents, type TopLatentsOptions } from './attribution/top-latents.js'
export { topLogits, type TopLogitsOptions } from './logit-lens/top-logits.js'
export { TopLogits, type LatentLogits, type TokenLogit } from './logit-lens/top-logits-result.js'
export { answerRanks, meanInterval, type AnswerRanksOptions } from './logit-lens/answer-ranks.js'
export { directionAblation, type DirectionAblationOptions } from './patching/direction-ablation.js'
export { componentNeurons, directionDfa, type DirectionDfaOptions } from './attribution/direction-dfa.js'
export { directionDla, type DirectionDlaOptions } from './attribution/direction-dla.js'
export { latentMaxima, latentsAt, type LatentActivationsOptions } from './latent-activations/latent-activations.js'
export { LatentMaxima } from './latent-activations/latent-maxima.js'
export { loadResult, type SavedResult } from './load-result.js'
export { latentPeaks, peakExamples, type LatentPeaksOptions } from './max-activating/latent-peaks.js'
export { LatentPeaks, type FoundPeaks, type Peak } from './max-activating/latent-peaks-result.js'
export { logitBoosts, logprobBoosts, type LogprobBoostsOptions } from './attribution/logprob-boosts.js'
export { lossesUnder, lossRecovered, type LossesOptions } from './patching/losses-under.js'
export { metricUnder } from './patching/metric-under.js'
export { positionAblation, type PositionAblationOptions } from './patching/position-ablation.js'
export { meanActivation, rareTokens, tokenCounts } from './prompts/prompt-statistics.js'
export { reconstructionLoss, type ReconstructionLossOptions } from './sae-evaluation/reconstruction-loss.js'
export {
  topDirections,
  topDirectionsTable,
  type TopDirection,
  type TopDirectionsOptions,
} from './attribution/top-directions.js'
export { positionsAt, withoutError, withoutLatents, withReplaced, type Where } from './patching/view-edits.js'
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
