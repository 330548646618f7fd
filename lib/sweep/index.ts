/**
 * Interventions as data, which `model.sweep` runs many at once.
 * @module tfjs-lens/sweep
 */
export type { Edit, Intervention, LazyTensor, Replacement } from './edits/index.js'
export type { SweepOptions } from './options.js'
