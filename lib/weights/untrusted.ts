/** What files say cannot be trusted: file names that must not lead elsewhere, values short enough for a message. */

/**
 * Why a file name could lead out of the folder it is meant for, or undefined when it is harmless. Also refuses what
 * only Windows reads as a path, so that a folder means the same everywhere.
 */
export function pathTrick(file: string): string | undefined {
  if (file === '') return 'an empty name'
  if (file.includes('\0')) return 'a NUL character'
  if (file.includes('\\')) return 'a backslash'
  if (file.startsWith('/') || /^[A-Za-z]:/.test(file)) return 'an absolute path'
  const parts = file.split('/')
  if (parts.includes('..')) return "a '..'"
  if (parts.includes('') || parts.includes('.')) return "an empty part or a '.'"
  return undefined
}

/** A value out of a file as it may stand in a message: a lying file may hold a name of megabytes. */
export function brief(value: unknown): string {
  const shown = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'missing')
  return shown.length > 100 ? `${shown.slice(0, 100)}…` : shown
}

/** The first few of many names, for a message: `a, b, c and 4 more`. */
export function fewNames(names: readonly string[], few = 8): string {
  if (names.length === 0) return 'nothing'
  const more = names.length > few ? ` and ${names.length - few} more` : ''
  return names.slice(0, few).map(brief).join(', ') + more
}
