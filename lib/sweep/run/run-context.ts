/** What batches are run with. */
import type { LogitPart } from '../../core/metric-inputs.js'
import type { EditValues, ResolvedEdit } from '../edits/index.js'
import type { RowsAt, SweepSubject } from '../subject.js'
import type { CleanRun } from './clean-run.js'

/** What all batches of a sweep share: the model, and what the metric reads of it. */
export interface RunContext extends LogitPart {
  readonly points: SweepSubject['points']
  /** The view with the SAEs that have to be run. */
  readonly view: SweepSubject['view']
  /** Whether logits of one position of each prompt are read and nothing else, so that the last block is run for it alone. */
  readonly readsOne: boolean
}

/** What all batches of some prompts share. */
export interface BatchContext extends RunContext {
  readonly clean: CleanRun
  readonly values: EditValues
}

/** Row r has `edits[r]`. */
export interface EditedRows extends RowsAt {
  readonly edits: readonly (readonly ResolvedEdit[])[]
}
