/** Which spec files are run, and which of them first. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The spec files at these paths, or all, sorted, each once, from the root and with forward slashes. */
export function specFiles(paths: readonly string[], ignored: readonly string[]): string[] {
  const found = (paths.length === 0 ? ['spec'] : paths).flatMap((path) => specsAt(fromRoot(path)))
  const left = new Set(ignored.map(fromRoot))
  return [...new Set(found)].filter((file) => !left.has(file)).sort()
}

function fromRoot(path: string): string {
  return posix.normalize(path.replaceAll('\\', '/').replace(ROOT.replaceAll('\\', '/'), ''))
}

function specsAt(path: string): string[] {
  const file = join(ROOT, path)
  const stat = statSync(file, { throwIfNoEntry: false })
  if (!stat) throw new Error(`spec: there is no ${path}. Name a spec file, or a folder of them.`)
  if (!stat.isDirectory()) return [path]
  return readdirSync(file, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.spec.ts'))
    .map((name) => posix.join(path, name.replaceAll('\\', '/')))
}

/**
 * The order in which files are started, so that no long one is left for the end: those that ask for the most time
 * first (`this.timeout(180_000)`), then the longest.
 */
export function slowestFirst(files: readonly string[]): string[] {
  const weights = new Map(files.map((file) => [file, weightOf(readFileSync(join(ROOT, file), 'utf8'))]))
  return [...files].sort((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0))
}

function weightOf(text: string): number {
  const timeouts = [...text.matchAll(/\.timeout\(([\d_]+)\)/g)].map(([, digits = '']) =>
    Number(digits.replaceAll('_', '')),
  )
  return 1e6 * Math.max(0, ...timeouts) + text.length
}
