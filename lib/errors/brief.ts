/** Values and names as they may stand in a message: what a file or a user says can be of any length. */

/** A value, cut to 100 characters. */
export function brief(value: unknown): string {
  const shown = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'missing')
  return shown.length > 100 ? `${shown.slice(0, 100)}…` : shown
}

/** The first few of many names: `a, b, c and 4 more`. */
export function fewNames(names: readonly string[], few = 8): string {
  if (names.length === 0) return 'nothing'
  const more = names.length > few ? ` and ${names.length - few} more` : ''
  return names.slice(0, few).map(brief).join(', ') + more
}
