/** What the parts of a sweep are given, for their specs: edits that are looked up, hook points, views. */
import type { HookPoint } from '../../lib/core/hooks.js'
import { plainView, type AttachedSae, type View } from '../../lib/core/view.js'
import type { ResolvedEdit, ResolvedIntervention } from '../../lib/sweep/edits/index.js'
import { blockOf } from '../../lib/transformer/hook-names.js'

const shapes: Readonly<Record<string, string>> = {
  hook_z: '[B,P,H,K]',
  hook_result: '[B,P,H,D]',
  hook_q: '[B,P,H,K]',
  hook_pattern: '[B,H,P,P]',
  hook_post: '[B,P,M]',
  hook_pre: '[B,P,M]',
  hook_sae_acts_post: '[B,P,S]',
}

/** A hook point with the shape that it has in every model. */
export function pointNamed(name: string): HookPoint {
  return { name, shape: shapes[name.split('.').at(-1) ?? ''] ?? '[B,P,D]' }
}

/** An edit that puts zeros in at all positions of all units, but for what is given. */
export function resolvedEdit(name: string, given: Partial<ResolvedEdit> = {}): ResolvedEdit {
  return {
    point: pointNamed(name),
    layer: blockOf(name),
    units: undefined,
    positions: undefined,
    mode: 'set',
    value: { kind: 'number', value: 0 },
    ...given,
  }
}

/** An intervention of edits alone. */
export const intervention = (...edits: ResolvedEdit[]): ResolvedIntervention => ({ edits, functions: [] })

/** Where an SAE of a view reads and writes, for what asks no more of it. */
export function attachedAt(readsAt: string, writesAt = readsAt, errorTerm = true): AttachedSae {
  return { readsAt, writesAt, options: { errorTerm } } as AttachedSae
}

/** A view with hook functions that do nothing, and SAEs. */
export function viewOf(given: {
  readonly hooks?: readonly string[]
  readonly attached?: readonly AttachedSae[]
  readonly stopAt?: number
}): View {
  const hooks = (given.hooks ?? []).map((name) => ({ name, hook: () => undefined }))
  return { ...plainView, ...given, hooks } as unknown as View
}
