/**
 * Groups of rows put together into batches. Reading a layer's weights takes as long as computing some dozens of tokens
 * with them, so few rows run with others that start at another layer, or at a later position than they need.
 */
import type { Group, Positions } from './groups.js'
import { joinOrder, type ResumePoint } from './resume-points.js'

/** Rows that start at one resume point. */
export interface StartingRows {
  readonly start: ResumePoint
  readonly rows: readonly number[]
}

/** Rows that run together; each joins at its own layer, in the order of the groups. */
export interface Batch extends Positions {
  readonly groups: readonly StartingRows[]
}

export interface BatchLimits {
  /** False where each resume point needs a run of its own. */
  readonly together: boolean
  /** Rows of an intervention that stay together. */
  readonly step: number
  /** How many rows of these positions may run at once. */
  readonly most: (positions: Positions) => number
}

/** What reading the weights costs, in tokens computed. */
const TOKENS_PER_WEIGHTS = 32

/** Batches that hold every row of the groups once. */
export function batchesOf(groups: readonly Group[], limits: BatchLimits): Batch[] {
  const batches = limits.together ? joined(groups) : groups.map((group) => ({ ...group, groups: [group] }))
  return batches.flatMap((batch) => split(batch, limits))
}

/** Groups in as few batches as take no longer than each group by itself. */
function joined(groups: readonly Group[]): Batch[] {
  const batches: (Positions & { readonly groups: Group[] })[] = []
  const inOrder = [...groups].sort((a, b) => a.begin - b.begin || a.start.layer - b.start.layer)
  for (const group of inOrder) {
    const { begin, end, last } = group
    const batch = batches.find((own) => own.last === last && own.end === end && isShort(own, group))
    if (batch) batch.groups.push(group)
    else batches.push({ begin, end, last, groups: [group] })
  }
  return batches
}

/** Whether the positions that the group does not need cost less than reading the weights again. */
function isShort(batch: Positions, { begin, rows }: Group): boolean {
  return rows.length * (begin - batch.begin) <= TOKENS_PER_WEIGHTS
}

/** The batch in parts that fit into the budget. */
function split({ begin, end, last, groups }: Batch, { step, most }: BatchLimits): Batch[] {
  const size = Math.max(step, Math.floor(most({ begin, end, last }) / step) * step)
  const parts: StartingRows[][] = [[]]
  let room = size
  for (const { start, rows } of [...groups].sort((a, b) => joinOrder(a.start) - joinOrder(b.start))) {
    for (let at = 0; at < rows.length;) {
      if (room === 0) {
        parts.push([])
        room = size
      }
      const some = rows.slice(at, at + room)
      parts.at(-1)!.push({ start, rows: some })
      at += some.length
      room -= some.length
    }
  }
  return parts.map((part) => ({ begin, end, last, groups: part }))
}
