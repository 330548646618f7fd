/** Which interventions have to be run for which prompts, from where to where, and which of them may share a batch. */
import type { ModelConfig } from '../transformer/architecture.js'
import type { Reading } from '../core/metrics.js'
import type { Changes } from './changes.js'
import type { ResolvedEdit, ResolvedIntervention } from './edits.js'
import type { Landing, Start } from './landing.js'

/** What is run of a row. */
export interface Span {
  readonly start: Start
  /** Positions [begin, end). */
  readonly begin: number
  readonly end: number
  /** The last position that the metric reads. */
  readonly last: number
}

/** Rows of one span: intervention `rows[r] / B` on prompt `rows[r] % B`. */
export interface Group extends Span {
  readonly rows: number[]
}

export interface PlanContext {
  readonly config: ModelConfig
  readonly landing: Landing
  readonly changes: Changes
  /** Undefined where the metric is a function of whole logits: all prompts of an intervention run together then. */
  readonly reading: Reading | undefined
  readonly batch: number
  readonly positions: number
}

/**
 * The groups of some interventions on some prompts. Those that change nothing that the metric reads are in none.
 * @param wanted whether intervention and prompt are still to be done
 */
export function plan(
  context: PlanContext,
  interventions: readonly ResolvedIntervention[],
  prompts: readonly number[],
  wanted: (row: number) => boolean,
): Group[] {
  const groups = new Map<string, Group>()
  const add = (span: Span, rows: readonly number[]) => {
    const key = [span.start.key, span.begin, span.end, span.last].join(' ')
    const group = groups.get(key) ?? { ...span, rows: [] }
    groups.set(key, group)
    group.rows.push(...rows)
  }
  interventions.forEach(({ edits, by }, i) => {
    if (by.length > 0) return
    const sets = context.reading ? prompts.map((b) => [b]) : [prompts]
    for (const set of sets) {
      const rows = set.map((b) => i * context.batch + b)
      if (!rows.some(wanted)) continue
      const span = spanOf(context, edits, set)
      if (span) add(span, rows)
    }
  })
  return [...groups.values()]
}

/** From where to where the edits change what the metric reads of these prompts; undefined where they do not. */
function spanOf(context: PlanContext, edits: readonly ResolvedEdit[], prompts: readonly number[]): Span | undefined {
  const { reading, positions } = context
  const last = reading ? Math.max(...prompts.map((b) => reading.positions[b]!.at(-1)!)) : positions - 1
  // an edited pattern has all keys, and may let a query look ahead
  const end = edits.some(({ point }) => point.shape.endsWith('P,P]')) ? positions : last + 1
  const span = changed(context, edits, prompts, { begin: 0, end, last })
  if (!span || !reading || reading.positions[0]!.length !== 1 || !isPointwise(context, span.start)) return span
  // no attention is left to run: only the position that is read matters
  return changed(context, edits, prompts, { begin: last, end: last + 1, last })
}

function changed(
  { changes, landing }: PlanContext,
  edits: readonly ResolvedEdit[],
  prompts: readonly number[],
  { begin, end, last }: Omit<Span, 'start'>,
): Span | undefined {
  const firsts = edits.map((edit) => prompts.map((b) => changes.first(edit, b, end, begin) ?? end).reduce(least))
  const active = edits.filter((_, i) => firsts[i]! < end)
  if (active.length === 0) return undefined
  return { start: landing.of(active), begin: firsts.reduce(least, last), end, last }
}

const least = (a: number, b: number): number => Math.min(a, b)

/** Whether everything from a start on treats positions one by one. */
function isPointwise({ config, reading }: PlanContext, { entry, layer }: Start): boolean {
  if (reading?.hook !== undefined) return false
  return layer === config.nLayers || (layer === config.nLayers - 1 && (entry === 'attention' || entry === 'end'))
}
