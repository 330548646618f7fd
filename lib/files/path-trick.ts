/** File names out of files, which must not lead elsewhere. */

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
