/** tfjs-lens: mechanistic interpretability on TensorFlow.js. The public door: exports only. */
export { loadModel, pocketText, type LoadEvent, type LoadOptions } from '../models/index.js'
export {
  BatchTopKSae,
  embeddedSaes,
  foldActivationNorm,
  foldWDecNorm,
  GatedSae,
  JumpReluSae,
  JumpReluTranscoder,
  loadSae,
  Sae,
  saeReleases,
  saveSae,
  SkipTranscoder,
  StandardSae,
  TopKSae,
  trainingFigure,
  trainSae,
  Transcoder,
  withThreshold,
  type LoadSaeOptions,
  type SaeConfig,
  type SaeFacts,
  type SaeRelease,
  type SaveSaeOptions,
  type TrainedSae,
  type TrainingConfig,
  type TrainingData,
  type TrainingEntry,
  type TrainingOptions,
  type TrainingQuantity,
} from '../saes/index.js'
export * from '../analyses/index.js'
export type { Architecture, ForwardInput, ModelConfig } from './transformer/architecture.js'
export { backendInfo, backendNotice, useBackend, type BackendInfo, type BackendName } from './backend/backend.js'
export { ActivationCache } from './core/cache.js'
export { compositionScores, copyingScore, ovCircuit, qkCircuit } from './residual/circuits.js'
export type { ActivationBatch, ActivationData } from './data/activation-data.js'
export type { Exclude } from './data/excluded.js'
export { harvest, type Harvest, type HarvestOptions } from './data/harvest.js'
export { harvestedActivations, type HarvestedOptions } from './data/harvested-activations.js'
export { loadData } from './data/load-data.js'
export type { Mixing } from './data/mixing.js'
export { modelActivations, type ModelActivationOptions } from './data/model-activations.js'
export type { DataSource } from './data/open-documents.js'
export type { DataModel, DataOptions } from './data/row-rules.js'
export type { Layout } from './data/rows.js'
export type { Shuffle } from './data/shuffle.js'
export type { DataPosition, TokenBatch, TokenData } from './data/token-data.js'
export type { Parts, PartsOptions } from './residual/decompose.js'
export * from './errors/errors.js'
export { FactoredMatrix, type Complex, type Dense, type Svd } from './residual/factored-matrix.js'
export { Generation, type GenerateOptions, type GenerationStep } from './generation/generate.js'
export type { GradientRun } from './core/gradients.js'
export { actName } from './transformer/hook-names.js'
export type { At, HookContext, HookFunction, HookName, HookPoint, NameFilter } from './core/hooks.js'
export {
  cosine,
  klToClean,
  logitDiff,
  logProb,
  loss,
  metricPositions,
  probability,
  rank,
  type Answers,
  type Metric,
  type MetricFunction,
  type Reading,
} from './core/metrics.js'
export { HookedModel, type Analysis, type CacheOptions, type GradientOptions, type Input } from './model.js'
export type { PositionSlice } from './core/positions.js'
export { animatedScatter } from './report/figure/animated.js'
export { areas, percentileAreas } from './report/figure/areas.js'
export { boxPlot } from './report/figure/box.js'
export { bars, heatmap, histogram, lines, scatter, type Figure } from './report/figure/figure.js'
export { highlightHtml, highlightText, type Highlight } from './report/page/highlight.js'
export { Notebook, type Drawn, type Shown } from './report/notebook/notebook.js'
export { compare, type Comparable, type CompareOptions } from './report/result/compare.js'
export { Comparison, type Unshared } from './report/result/comparison.js'
export { NotebookResults } from './report/notebook/notebook-results.js'
export { renderPage, writePage, type Page, type Section } from './report/page/page.js'
export type { Provenance } from './report/result/provenance.js'
export { Result, type Axis } from './report/result/result.js'
export type { Difference } from './report/result/differences.js'
export type { RowColumn, Rows } from './report/result/rows.js'
export { SavedRecord } from './report/result/saved-record.js'
export type { Savable, SavedKind } from './report/result/saved.js'
export { Table } from './report/table/table.js'
export { drawFigure } from './report/terminal/terminal.js'
export { visibleToken } from './report/table/token-text.js'
export type { SelfCheck } from './core/self-check.js'
export type { Attachable, ErrorGradient, Splice, SpliceOptions } from './core/splice.js'
export { pearson, spearman } from './stats/correlation.js'
export { indexWithBuffer, kLargestIndices, type KLargestOptions } from './stats/k-largest.js'
export type { Edit, Intervention, Made, Replacement, SweepOptions } from './sweep/sweep.js'
export { Tokens, type Prompts, type TokenOptions } from './tokens/tokens.js'
export type { Tokenizer } from './tokens/tokenizer.js'
export { allProcessing, noProcessing, type ProcessingFlags } from './weights/process.js'
export { residualDirections } from './transformer/unembed.js'
