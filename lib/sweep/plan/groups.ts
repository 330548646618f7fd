/** Which interventions have to be run for which prompts, from where to where, and which of them may share a batch. */
import type { Reading } from '../../core/metrics.js'
import type { ResolvedEdit, ResolvedIntervention } from '../edits/index.js'
import type { Differences } from './differences.js'
import type { ResumePoint, ResumePoints } from './resume-points.js'

/** Positions [begin, end), and the last one that the metric reads. */
export interface Positions {
  readonly begin: number
  readonly end: number
  readonly last: number
}

/** What is run of a row. */
export interface Span extends Positions {
  readonly start: ResumePoint
}

/** Rows of one span: intervention `rows[r] / B` on prompt `rows[r] % B`. */
export interface Group extends Span {
  readonly rows: readonly number[]
}

export interface PlanContext {
  readonly nLayers: number
  readonly resumePoints: Pick<ResumePoints, 'of'>
  readonly differences: Pick<Differences, 'first'>
  /** Undefined where the metric is a function of whole logits: all prompts of an intervention run together then. */
  readonly reading: Reading | undefined
  /** B, prompts of the sweep. */
  readonly batch: number
  /** P */
  readonly positions: number
  /** Whether intervention and prompt are still to be done. */
  readonly isWanted: (row: number) => boolean
}

/**
 * The groups of some interventions on some prompts. Those that change nothing that the metric reads are in none, nor are
 * those with functions.
 */
export function planGroups(
  context: PlanContext,
  interventions: readonly ResolvedIntervention[],
  prompts: readonly number[],
): Group[] {
  const groups = new Map<string, Span & { readonly rows: number[] }>()
  const together = context.reading ? prompts.map((b) => [b]) : [[...prompts]]
  for (const [i, { edits, functions }] of interventions.entries()) {
    if (functions.length > 0) continue
    for (const some of together) {
      const rows = some.map((b) => i * context.batch + b)
      const span = rows.some(context.isWanted) ? spanOf(context, edits, some) : undefined
      if (!span) continue
      const key = [span.start.key, span.begin, span.end, span.last].join(' ')
      const group = groups.get(key) ?? { ...span, rows: [] }
      groups.set(key, group)
      group.rows.push(...rows)
    }
  }
  return [...groups.values()]
}

/** From where to where the edits change what the metric reads of these prompts; undefined where they do not. */
function spanOf(context: PlanContext, edits: readonly ResolvedEdit[], prompts: readonly number[]): Span | undefined {
  const { reading, positions } = context
  const last = lastRead(context, prompts)
  // an edited pattern has all keys, and may let a query look ahead
  const end = edits.some(({ point }) => point.shape.endsWith('P,P]')) ? positions : last + 1
  const span = changedSpan(context, { edits, prompts }, { begin: 0, end, last })
  const readsOne = reading?.positions[0]?.length === 1
  if (!span || !readsOne || !isPointwise(context, span.start)) return span
  // no attention is left to run: only the position that is read matters
  return changedSpan(context, { edits, prompts }, { begin: last, end: last + 1, last })
}

/** The last position that the metric reads of any of these prompts. */
function lastRead({ reading, positions }: PlanContext, prompts: readonly number[]): number {
  if (!reading) return positions - 1
  return Math.max(...prompts.map((b) => reading.positions[b]?.at(-1) ?? 0))
}

/** From the first position on where an edit changes anything, by the edits that change anything. */
function changedSpan(
  { differences, resumePoints }: PlanContext,
  { edits, prompts }: { readonly edits: readonly ResolvedEdit[]; readonly prompts: readonly number[] },
  { begin, end, last }: Positions,
): Span | undefined {
  const firsts = edits.map((edit) => Math.min(...prompts.map((b) => differences.first(edit, b, { begin, end }) ?? end)))
  const active = edits.filter((_, i) => firsts[i]! < end)
  if (active.length === 0) return undefined
  return { start: resumePoints.of(active), begin: Math.min(last, ...firsts), end, last }
}

/** Whether everything from a resume point on treats positions one by one. */
function isPointwise({ nLayers, reading }: PlanContext, { entry, layer }: ResumePoint): boolean {
  if (reading?.hook !== undefined) return false
  return layer === nLayers || (layer === nLayers - 1 && (entry === 'attention' || entry === 'end'))
}
