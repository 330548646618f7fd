/**
 * A model, its SAEs, its hook points, and the metrics that questions are asked with.
 * @module tfjs-lens
 */
export { loadModel, type LoadOptions } from '../models/load-model.js'
export { loadSae, type LoadSaeOptions } from '../saes/load-sae.js'
export { trainSae } from '../saes/train-sae.js'
export { backendInfo, backendNotice, useBackend, type BackendInfo, type BackendName } from './backend/backend.js'
export type { HookContext, HookFunction, HookName, HookPoint } from './core/hooks.js'
export type { NameFilter } from './core/hook-filters.js'
export type { JobOptions } from './core/job-options.js'
export {
  cosine,
  klToClean,
  logitDiff,
  logProb,
  loss,
  probability,
  rank,
  type Answers,
  type Metric,
  type MetricFunction,
  type Reading,
} from './core/metrics.js'
export type { PositionSlice } from './core/positions.js'
export { head, latents, neurons, point, type Site } from './core/sites.js'
export type { Attachable, ErrorGradient, Splice, SpliceOptions } from './core/splice.js'
export * from './errors/errors.js'
export { Generation, type GenerateOptions, type GenerationStep } from './generation/index.js'
export { HookedModel, type Analysis, type CacheOptions, type GradientOptions, type GradientRun } from './model.js'
export { ActivationCache } from './residual/activation-cache.js'
export { EffectResult } from './report/result/effect-result.js'
export { Result, type Axis } from './report/result/result.js'
export type { Tokenizer } from './tokens/tokenizer.js'
export { Tokens, type Prompts, type TokenOptions } from './tokens/tokens.js'
export { actName, hook } from './transformer/hook-names.js'
