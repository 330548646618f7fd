/** Analyses: plain functions from a view, prompts and options to a plain result. Hand them to `model.use({ … })` as methods. */
export { ablation, type AblationOptions } from './ablation.js'
export { activationPatching, type PatchingOptions } from './activation-patching.js'
export {
  arithmeticPrompts,
  writePrompts,
  type ArithmeticOptions,
  type ArithmeticPrompt,
  type Operation,
} from './arithmetic-prompts.js'
export { attributionPatching, type AttributionOptions } from './attribution-patching.js'
export { directLogitAttribution, type DlaOptions } from './direct-logit-attribution.js'
export { generationAccuracy } from './generation-accuracy.js'
export { GenerationAccuracy, type Question } from './generation-accuracy-result.js'
export { edgeAttribution, type EdgeAttributionOptions } from './edge-attribution.js'
export { ioiPrompts, type IoiPrompt } from './ioi-prompts.js'
export { latentPaths, type LatentPathsOptions } from './latent-paths.js'
export { logitLens, type LogitLensOptions } from './logit-lens.js'
export { LogitLens } from './logit-lens-result.js'
export { evaluateSae, type EvaluationOptions } from './sae-evaluation.js'
export { SaeEvaluation, type EvaluationMetrics } from './sae-evaluation-result.js'
export type { InterventionOptions } from './interventions.js'
export { pathPatching, type PathPatchingOptions } from './path-patching.js'
export type { Target } from './targets.js'
export { positionAxis, promptAxis, tokenLabel } from './labels.js'
export { featureDfa, type FeatureDfaOptions } from './feature-dfa.js'
export { maxActivating, type MaxActivatingOptions } from './max-activating.js'
export {
  MaxActivating,
  type Example,
  type MaxActivatingAbout,
  type SourceAttribution,
} from './max-activating-result.js'
export { topLatents, type TopLatentsOptions } from './top-latents.js'
export { topLogits, type TopLogitsOptions } from './top-logits.js'
export { TopLogits, type LatentLogits, type TokenLogit } from './top-logits-result.js'
export { answerRanks, meanInterval, type AnswerRanksOptions } from './answer-ranks.js'
export { directionAblation, type DirectionAblationOptions } from './direction-ablation.js'
export { componentNeurons, directionDfa, type DirectionDfaOptions } from './direction-dfa.js'
export { directionDla, type DirectionDlaOptions } from './direction-dla.js'
export { latentMaxima, latentsAt, type LatentActivationsOptions } from './latent-activations.js'
export { LatentMaxima } from './latent-maxima.js'
export { loadResult, type SavedResult } from './load-result.js'
export { latentPeaks, peakExamples, type LatentPeaksOptions } from './latent-peaks.js'
export { LatentPeaks, type FoundPeaks, type Peak } from './latent-peaks-result.js'
export { logitBoosts, logprobBoosts, type LogprobBoostsOptions } from './logprob-boosts.js'
export { lossesUnder, lossRecovered, type LossesOptions } from './losses-under.js'
export { metricUnder } from './metric-under.js'
export { positionAblation, type PositionAblationOptions } from './position-ablation.js'
export { meanActivation, rareTokens, tokenCounts } from './prompt-statistics.js'
export { reconstructionLoss, type ReconstructionLossOptions } from './reconstruction-loss.js'
export { topDirections, topDirectionsTable, type TopDirection, type TopDirectionsOptions } from './top-directions.js'
export { positionsAt, withoutError, withoutLatents, withReplaced, type Where } from './view-edits.js'
export {
  latentStatistics,
  latentStatisticNames,
  type LatentStatistic,
  type LatentStatisticsOptions,
  type SaeLatents,
} from './latent-statistics.js'
export {
  statisticAnimation,
  statisticAreas,
  statisticBoxes,
  statisticByLayer,
  statisticHistogram,
  statisticScatter,
  type StatisticFigureOptions,
} from './latent-statistics-figures.js'
export { latentProperties, latentPropertyNames } from './latent-statistics-properties.js'
export { latentsBy, summarizeStatistic, type LatentQuery, type LatentValue } from './latent-statistics-queries.js'
export { joinStatistics } from './latent-statistics-join.js'
export { latentDensity, type LatentDensityOptions } from './latent-density.js'
export { quickListUrl, type NeuronpediaSae } from './quick-list.js'
export { decadeSets, letterSets, regexSets, tokenPatterns, wordSets, type TokenSets } from './token-sets.js'
export { partOfSpeechSets, type PartOfSpeechOptions } from './part-of-speech-sets.js'
export { wordLists } from './word-lists.js'
export { enrichment, type EnrichmentOptions } from './enrichment.js'
export { manhattan, topEnriched, type ManhattanOptions } from './enrichment-figures.js'
