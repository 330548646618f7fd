/** Whether our results and the peer's agree, by the rules at the end of spec/bench/README.md. */
import type { JsonValue } from '../../lib/report/result/json.js'

/** Numbers of a result, by the names that spec/bench/README.md gives them. */
export type Check = { readonly [key: string]: JsonValue }

/**
 * Where an id could as well be another, as the values beside it tie: one answer for each entry of a list of ids, or one
 * for the whole. For named values (`top`): whether the last of them ties with the one that was left out.
 */
export type Ties = { readonly [key: string]: boolean | readonly boolean[] }

/** Largest difference of two values that tie or agree, relative to their size; for logits, absolute. */
export const AGREEMENT = 1e-3
const EFFECT = 1e-5

/**
 * Entries near zero of a list carry the rounding of the larger ones: float32 has 1e-7, sums of some hundred terms more.
 */
const NOISE = 1e-5

const ids = new Set(['argmax_last', 'top_latents', 'largest_change', 'new_tokens', 'at'])
const logits = new Set([
  'last_logits',
  'value',
  'clean',
  'corrupted',
  'row_3',
  'logit_diff',
  'smallest_gap',
  'attrs_sum_plus_b_U',
  'top',
])

/** The first difference, in words, or undefined where everything agrees. */
export function firstDisagreement(ours: Check, peer: Check, ties: Ties = {}): string | undefined {
  for (const key of new Set([...Object.keys(peer), ...Object.keys(ours)])) {
    const difference = compare(key, key, ours[key], peer[key], ties[key] ?? false, 0)
    if (difference !== undefined) return difference
  }
  return undefined
}

/** `size`: the largest number of the list that the values are in. */
function compare(
  key: string,
  path: string,
  ours: JsonValue | undefined,
  peer: JsonValue | undefined,
  tie: boolean | readonly boolean[],
  size: number,
): string | undefined {
  if (Array.isArray(ours) && Array.isArray(peer)) {
    if (ours.length !== peer.length) return `${path}: ${ours.length} entries, the peer has ${peer.length}`
    const largest = Math.max(...(peer as JsonValue[]).map((v) => (typeof v === 'number' ? Math.abs(v) : 0)))
    return first(ours, (i) => {
      const tied = Array.isArray(tie) ? (tie[i] ?? false) : tie
      return compare(key, `${path}[${i}]`, (ours as JsonValue[])[i], (peer as JsonValue[])[i], tied, largest)
    })
  }
  if (isObject(ours) && isObject(peer)) return compareNamed(key, path, ours, peer, tie)
  if (typeof ours === 'number' && typeof peer === 'number') {
    if (ids.has(key)) return ours === peer || tie === true ? undefined : `${path}: ${ours}, the peer has ${peer}`
    const allowed = tolerance(key, ours, peer, size)
    // written so that NaN disagrees
    return Math.abs(ours - peer) <= allowed ? undefined : `${path}: ${ours}, the peer has ${peer} (± ${allowed})`
  }
  return ours === peer ? undefined : `${path}: ${JSON.stringify(ours)}, the peer has ${JSON.stringify(peer)}`
}

function compareNamed(key: string, path: string, ours: Check, peer: Check, tie: boolean | readonly boolean[]) {
  const names = [...new Set([...Object.keys(peer), ...Object.keys(ours)])]
  return first(names, (i) => {
    const name = names[i]!
    const leftOut = !(name in ours) || !(name in peer)
    if (leftOut && tie === true) return undefined
    return compare(ids.has(name) ? name : key, `${path}.${name}`, ours[name], peer[name], tie, 0)
  })
}

function tolerance(key: string, ours: number, peer: number, size: number): number {
  if (logits.has(key)) return AGREEMENT
  const value = Math.max(Math.abs(ours), Math.abs(peer))
  // the peer prints effects with four digits
  if (key === 'effects') return EFFECT + (value === 0 ? 0 : 0.5 * 10 ** (Math.floor(Math.log10(value)) - 3))
  // of numbers of size 0.05 that average 0: only noise is left
  if (key === 'mean') return NOISE
  // a sum of logits, which may cancel
  if (key === 'sum') return Math.max(AGREEMENT, AGREEMENT * value)
  return Math.max(AGREEMENT * value, NOISE * size)
}

function first(list: readonly unknown[], difference: (index: number) => string | undefined): string | undefined {
  for (let i = 0; i < list.length; i++) {
    const found = difference(i)
    if (found !== undefined) return found
  }
  return undefined
}

function isObject(value: JsonValue | undefined): value is Check {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
