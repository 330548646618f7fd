/**
 * Interventions as data, which `model.sweep` runs many at once.
 * @module tfjs-lens/sweep
 */
export type { Edit, Intervention, Made, Replacement, SweepOptions } from './sweep.js'
