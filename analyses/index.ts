/** Analyses: plain functions from a view, prompts and options to a plain result. Hand them to `model.use({ … })` as methods. */
export { ablation, type AblationOptions } from './ablation.js'
export { activationPatching, type PatchingOptions } from './activation-patching.js'
export { attributionPatching, type AttributionOptions } from './attribution-patching.js'
export { directLogitAttribution, type DlaOptions } from './direct-logit-attribution.js'
export { ioiPrompts, type IoiPrompt } from './ioi-prompts.js'
export { logitLens, type LogitLens, type LogitLensOptions } from './logit-lens.js'
export type { InterventionOptions } from './interventions.js'
export type { Target } from './targets.js'
