/**
 * Interventions as data, which `model.sweep` runs many at once.
 * @module tfjs-lens/sweep
 */
export { add, mean, nothing, patch, resample, zero } from './edits/index.js'
export type { Edit, EditPlace, Intervention, LazyTensor, Nothing, Replacement } from './edits/index.js'
export { sweepJobOptionNames, sweepJobOptions, type SweepJobOptions, type SweepOptions } from './options.js'
