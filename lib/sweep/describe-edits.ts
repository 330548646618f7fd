/** What interventions are called where they have no label. */
import { ActivationCache } from '../core/cache.js'
import type { Edit, Intervention } from './edits.js'

export function describe(intervention: Intervention): string {
  return ([intervention].flat() as readonly Edit[]).map(describeEdit).join(' + ')
}

function describeEdit(edit: Edit): string {
  if (edit.label !== undefined) return edit.label
  const unit = edit.unit === undefined ? '' : ` ${[edit.unit].flat().join(',')}`
  const place = edit.position ?? edit.column
  const position = place === undefined ? '' : ` at ${[place].flat().join(',')}`
  return `${edit.hook}${unit}${position} ${describeChange(edit)}`
}

function describeChange({ to, add, by }: Edit): string {
  if (by) return by.name || 'function'
  const value = to ?? add
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : value instanceof ActivationCache ? 'replaced' : 'given' // prettier-ignore
  return add === undefined ? text : `+ ${text}`
}
