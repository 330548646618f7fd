/** What interventions are called where they have no label. */
import { Activations } from '../../core/activations.js'
import { editsOf, isNothing, type Edit, type Intervention } from './edit.js'

export function describeIntervention(intervention: Intervention): string {
  if (isNothing(intervention)) return intervention.label ?? 'nothing'
  return editsOf(intervention).map(describeEdit).join(' + ')
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
  return add === undefined ? describeValue(to) : `+ ${describeValue(add)}`
}

function describeValue(value: Edit['to']): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  return value instanceof Activations ? 'replaced' : 'given'
}
