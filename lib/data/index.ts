/**
 * Text as batches of tokens, and activations harvested from them.
 * @module tfjs-lens/data
 */
export type { ActivationBatch, ActivationData } from './activation-data.js'
export type { ActivationModel } from './activation-run.js'
export type { DocumentShuffle } from './document-shuffle.js'
export type { ExcludedTokens } from './excluded-tokens.js'
export { harvest, type Harvest, type HarvestOptions } from './harvest.js'
export { harvestedActivations, type HarvestedOptions } from './harvested-activations.js'
export { loadData } from './load-data.js'
export type { ActivationBatchOptions, ActivationShuffle } from './mixing.js'
export { modelActivations, type ModelActivationOptions } from './model-activations.js'
export type { DataSource } from './open-documents.js'
export type { DataModel, DataOptions } from './row-rules.js'
export type { RowLayout } from './token-rows.js'
export type { DataPosition, TokenBatch, TokenData } from './token-data.js'
