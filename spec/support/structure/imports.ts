/** Who may import whom. */
import ts from 'typescript'
import type { Module } from './source.js'

const BACKEND_PACKAGE = /^@tensorflow\/tfjs-(node|backend-)/
const MODEL_DOORS = ['models/index.ts', 'models/load-model.ts']

/**
 * The layers of lib, the highest first: a file imports from its own layer and from lower ones, types included.
 * lib/index.ts is above them all.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['lib/cli/'],
  ['lib/jobs/'],
  ['lib/model.ts'],
  ['lib/generation/', 'lib/sweep/', 'lib/residual/', 'lib/data/'],
  ['lib/core/'],
  ['lib/transformer/'],
  ['lib/report/', 'lib/tokens/', 'lib/weights/'],
  ['lib/ops/', 'lib/stats/'],
  ['lib/backend/'],
  ['lib/files/', 'lib/errors/'],
]

/** Folders that others import by these files alone. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'lib/sweep/': ['lib/sweep/index.ts', 'lib/sweep/sweep.ts'],
  'lib/sweep/edits/': ['lib/sweep/edits/index.ts'],
  'lib/sweep/plan/': ['lib/sweep/plan/index.ts'],
  'lib/sweep/run/': ['lib/sweep/run/index.ts'],
}

/** `models → lib`, `saes → lib`, `analyses → lib` and types of saes; lib imports none of ours, its doors excepted. */
export function directionFaults({ path, imports }: Module): string[] {
  const from = path.split('/')[0]
  const isDoor = path === 'lib/index.ts' || path.startsWith('lib/cli/')
  const wrong = imports.filter(({ target, typeOnly }) => {
    const to = target.split('/')[0] ?? ''
    if (!['lib', 'models', 'saes', 'analyses'].includes(to) || to === from || to === 'lib') return false
    return !isDoor && !(from === 'analyses' && to === 'saes' && typeOnly)
  })
  return wrong.map(({ target }) => `${path}: imports ${target}, against the direction of the tree`)
}

/** Imports inside lib that lead to a higher layer, and files that are in none. */
export function layerFaults({ path, imports }: Module): string[] {
  if (!path.startsWith('lib/') || path === 'lib/index.ts') return []
  const own = layerOf(path)
  if (own < 0) return [`${path}: in none of the layers of lib`]
  const higher = imports.filter(({ target }) => target.startsWith('lib/') && layerOf(target) < own)
  return higher
    .filter(({ target }) => !(path.startsWith('lib/cli/') && target === 'lib/index.ts'))
    .map(({ target }) => `${path}: imports ${target}, of a higher layer of lib`)
}

/** The layer's place, 0 for the highest; -1 for none, and for lib/index.ts. */
function layerOf(path: string): number {
  return LAYERS.findIndex((layer) => layer.some((part) => path === part || path.startsWith(part)))
}

/** Architectures, kinds of SAE and backend packages have one file or folder that may import them; rooms have doors. */
export function doorFaults(module: Module, modules: readonly Module[]): string[] {
  return [...keeperFaults(module, modules), ...roomFaults(module)]
}

/** Imports from outside of a room that pass its door. */
function roomFaults({ path, imports }: Module): string[] {
  return imports.flatMap(({ target }) => {
    const rooms = Object.entries(ROOMS).filter(([room]) => target.startsWith(room) && !path.startsWith(room))
    const passed = rooms.find(([, doors]) => !doors.includes(target))
    return passed ? [`${path}: imports ${target}, past the door ${passed[1][0]}`] : []
  })
}

function keeperFaults({ path, imports }: Module, modules: readonly Module[]): string[] {
  const kinds = modules.filter(isSaeKind).map((module) => module.path)
  return imports.flatMap(({ target }) => {
    const door = doorOf(target, kinds)
    const isDoor = path === door || (door?.endsWith('/') && path.startsWith(door)) || path === 'saes/index.ts'
    return door === undefined || isDoor ? [] : [`${path}: imports ${target}, which only ${door} may`]
  })
}

function doorOf(target: string, saeKinds: readonly string[]): string | undefined {
  if (BACKEND_PACKAGE.test(target)) return 'lib/backend/'
  if (/^models\/[^/]+$/.test(target) && !MODEL_DOORS.includes(target)) return 'models/'
  return saeKinds.includes(target) ? 'saes/kinds/' : undefined
}

/** A file of saes with a class that extends Sae or another kind. */
function isSaeKind({ path, tree, nodes }: Module): boolean {
  const heritage = nodes.filter(ts.isHeritageClause)
  return (
    path.startsWith('saes/') &&
    heritage.some(({ types }) => types.some((type) => /(Sae|Transcoder)$/.test(type.getText(tree))))
  )
}
