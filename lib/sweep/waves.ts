/**
 * Groups of rows put together into waves. Reading a layer's weights takes as long as computing some dozens of tokens
 * with them, so few rows run with others that start at another layer, or at a later position than they need.
 */
import type { Group, Span } from './plan.js'
import { joinOrder, type Start } from './landing.js'

/** Rows of one start. */
export interface Member {
  readonly start: Start
  readonly rows: readonly number[]
}

/** Rows that run together, of positions [begin, end); each joins at its own layer, in the order of the members. */
export interface Wave extends Omit<Span, 'start'> {
  readonly members: readonly Member[]
}

export interface WaveLimits {
  /** False where each start needs a run of its own. */
  readonly together: boolean
  /** Rows of an intervention that stay together. */
  readonly step: number
  /** How many rows of these positions may run at once. */
  most(span: Omit<Span, 'start'>): number
}

/** What reading the weights costs, in tokens computed. */
const WEIGHTS = 32

export function wavesOf(groups: readonly Group[], limits: WaveLimits): Wave[] {
  if (!limits.together) return groups.flatMap((group) => split({ ...group, members: [group] }, limits))
  const waves: (Omit<Wave, 'members'> & { members: Member[] })[] = []
  for (const group of [...groups].sort((a, b) => a.begin - b.begin || a.start.layer - b.start.layer)) {
    const wave = waves.find((own) => own.last === group.last && fits(own, group))
    if (wave) wave.members.push(group)
    else waves.push({ begin: group.begin, end: group.end, last: group.last, members: [group] })
  }
  return waves.flatMap((wave) => split(wave, limits))
}

/** Whether running the group with the wave takes no longer than apart. */
function fits(wave: Omit<Wave, 'members'>, { begin, end, rows }: Group): boolean {
  return wave.end === end && rows.length * (begin - wave.begin) <= WEIGHTS
}

/** The wave in parts that fit into the budget. */
function split(wave: Wave, limits: WaveLimits): Wave[] {
  const most = Math.max(limits.step, Math.floor(limits.most(wave) / limits.step) * limits.step)
  const parts: Member[][] = [[]]
  let room = most
  for (const { start, rows } of [...wave.members].sort((a, b) => joinOrder(a.start) - joinOrder(b.start))) {
    for (let at = 0; at < rows.length;) {
      if (room === 0) {
        parts.push([])
        room = most
      }
      const some = rows.slice(at, at + room)
      parts.at(-1)!.push({ start, rows: some })
      at += some.length
      room -= some.length
    }
  }
  const { begin, end, last } = wave
  return parts.map((members) => ({ begin, end, last, members }))
}
