/**
 * Analyses: plain functions from a view, prompts and options to a plain result. Hand them to `model.use({ … })` as
 * methods.
 * @module tfjs-lens/analyses
 */
export { positionAxis, promptAxis, tokenLabel } from '../lib/core/labels.js'
export * from './attribution/index.js'
export * from './enrichment/index.js'
export * from './latent-activations/index.js'
export type { LatentPoint } from './latent-source.js'
export * from './latent-statistics/index.js'
export { loadResult, type SavedResult } from './load-result.js'
export * from './logit-lens/index.js'
export { lossRecovered } from './losses.js'
export * from './max-activating/index.js'
export * from './patching/index.js'
export { positionsAt, type PromptPositions } from './prompt-positions.js'
export * from './prompts/index.js'
export * from './sae-evaluation/index.js'
export type { SaeLatents } from './sae-latents.js'
