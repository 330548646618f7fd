/** The rows of a batch, with their edits. */
import type { ResolvedIntervention } from '../edits/index.js'
import type { Batch, ResumePoint } from '../plan/index.js'
import type { EditedRows } from './run-context.js'

/** Rows of one resume point. */
export interface JoiningRows extends EditedRows {
  readonly start: ResumePoint
}

/** Rows that run together from the same position on. */
export interface BatchRows {
  /** In the order in which they join. */
  readonly groups: readonly JoiningRows[]
  /** The last position that the metric reads. */
  readonly last: number
}

/** The rows of a batch with their edits; `batchSize` is the number of the sweep's prompts, B. */
export function editedRows(
  { begin, end, last, groups }: Batch,
  interventions: readonly ResolvedIntervention[],
  batchSize: number,
): BatchRows {
  const joining = groups.map(({ start, rows }) => {
    const prompts = rows.map((row) => row % batchSize)
    const edits = rows.map((row) => interventions[Math.floor(row / batchSize)]!.edits)
    return { start, begin, count: end - begin, prompts, edits }
  })
  return { groups: joining, last }
}
