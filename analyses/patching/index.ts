/** Ablation and patching: what a metric or the loss becomes when something inside the model is changed. */
export { ablation, type AblationOptions } from './ablation.js'
export { activationPatching, type PatchingOptions } from './activation-patching.js'
export { compareLosses, type CompareLossesOptions } from './compare-losses.js'
export { compareMetric, type CompareMetricOptions } from './compare-metric.js'
export type { InterventionExtra, InterventionOptions } from './interventions.js'
export { latentAblation, type LatentAblationExtra, type LatentAblationOptions } from './latent-ablation.js'
export { latentPaths, type LatentPathsExtra, type LatentPathsOptions } from './latent-paths.js'
export { LatentsByLoss, latentsByLoss, type LatentsByLossOptions } from './latents-by-loss.js'
export { pathPatching, type PathPatchingOptions } from './path-patching.js'
export {
  PositionAblation,
  positionAblation,
  type PositionAblationOptions,
  type PromptPlace,
} from './position-ablation.js'
export type { Target } from './targets.js'
export {
  withoutError,
  withoutLatents,
  withReplaced,
  type ReplacedOptions,
  type ViewEditOptions,
  type WithoutErrorOptions,
} from './view-edits.js'
