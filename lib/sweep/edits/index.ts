/** The door of edits: what is changed, where, and to what. */
export { describeIntervention } from './describe-edits.js'
export type {
  Edit,
  EditFunction,
  EditValue,
  Intervention,
  Nothing,
  Replacement,
  ResolvedEdit,
  ResolvedIntervention,
} from './edit.js'
export { editRows, type EditsAt } from './edit-rows.js'
export { EditValues, promptIndices, promptRows, type KnownValues, type PromptsTensor } from './edit-values.js'
export type { LazyTensor } from './lazy-tensors.js'
export { resolveInterventions } from './resolve-edits.js'
export { meanActivations, SourceActivations, type ActivationsOf, type Sources } from './source-activations.js'
export { add, mean, nothing, patch, resample, zero, type EditPlace } from './make-edits.js'
export { resampleOrder } from './resample-order.js'
