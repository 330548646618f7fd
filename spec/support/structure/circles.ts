/** Rings of imports. */
import { posix } from 'node:path'
import type { Module } from './source.js'

/** Each ring of imports that load one another, once, from its first file and back to it. */
export function cycleFaults(modules: readonly Module[]): string[] {
  const next = new Map(modules.map(({ path, imports }) => [path, imports.filter((i) => !i.typeOnly && !i.dynamic)]))
  const done = new Set<string>()
  const found: string[][] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) found.push([...trail.slice(at), path])
    if (at >= 0 || done.has(path)) return
    for (const { target } of next.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return found.map((cycle) => `cycle: ${cycle.join(' → ')}`)
}

/**
 * Files of different folders that reach one another by imports, types included: none of them can be read, or moved,
 * alone. One sentence a file; inside one folder files may refer to each other's types.
 */
export function circleFaults(modules: readonly Module[]): string[] {
  const circles = components(modules).filter((paths) => new Set(paths.map(posix.dirname)).size > 1)
  return circles.flatMap((paths) =>
    paths.map((path) => `${path}: in a circle of ${paths.length} files, the first of them ${paths[0]}`),
  )
}

/** The sets of files that all reach one another, each sorted. */
function components(modules: readonly Module[]): string[][] {
  const targets = ({ imports }: Module) => imports.filter((i) => !i.dynamic).map(({ target }) => target)
  const next = new Map(modules.map((module) => [module.path, targets(module)]))
  const reached = new Map(modules.map(({ path }) => [path, reachable(path, next)]))
  const reaches = (from: string, to: string): boolean => reached.get(from)?.has(to) === true
  const placed = new Set<string>()
  return modules.flatMap(({ path }) => {
    if (placed.has(path) || !reaches(path, path)) return []
    const members = [...(reached.get(path) ?? [])].filter((other) => reaches(other, path)).sort()
    for (const member of members) placed.add(member)
    return [members]
  })
}

function reachable(path: string, next: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set<string>()
  const open = [path]
  for (let from = open.pop(); from !== undefined; from = open.pop()) {
    for (const target of next.get(from) ?? []) {
      if (!found.has(target)) open.push(target)
      found.add(target)
    }
  }
  return found
}
