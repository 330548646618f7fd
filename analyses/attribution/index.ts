/** Attribution: which parts of the model an answer, a metric or a latent comes from. */
export { attributionPatching, type AttributionOptions } from './attribution-patching.js'
export { directLogitAttribution, type DlaOptions } from './direct-logit-attribution.js'
export { componentNeurons, directionDfa, type DirectionDfaOptions } from './direction-dfa.js'
export { edgeAttribution, type EdgeAttributionOptions } from './edge-attribution.js'
export { featureDfa, type FeatureDfaOptions } from './feature-dfa.js'
export { latentDla, type LatentDlaOptions } from './latent-dla.js'
export { logitBoosts, logprobBoosts, type LogprobBoostsOptions } from './logprob-boosts.js'
