/** The door `tfjs-lens/sweep`: interventions as data, which `model.sweep` runs many at once. */
export type { Edit, Intervention, Made, Replacement, SweepOptions } from './sweep.js'
