/** The hooks of Node's loader that register.mjs speaks of. They run in a thread of their own. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compiled } from './compile.mjs'
import { moduleOf } from './required.mjs'

const ROOT = new URL('../../../', import.meta.url)
const SCHEME = 'required:'

/** Modules of packages that are required, by the packages' names. */
const required = new Map()
/** Our own package's doors, by the names they are imported by. */
const doors = new Map()

export function initialize({ packages }) {
  for (const [name, exported] of packages) required.set(name, moduleOf(name, exported))
  const { compilerOptions } = JSON.parse(readFileSync(new URL('tsconfig.json', ROOT), 'utf8'))
  for (const [name, [file]] of Object.entries(compilerOptions.paths)) doors.set(name, new URL(file, ROOT).href)
}

export function resolve(specifier, context, next) {
  if (required.has(specifier)) return { url: SCHEME + specifier, format: 'module', shortCircuit: true }
  const url = doors.get(specifier) ?? sourceOf(specifier, context.parentURL)
  return url === undefined ? next(specifier, context) : { url, format: 'module', shortCircuit: true }
}

/** The TypeScript file that a relative `.js` stands for, in a file that is in no package. */
function sourceOf(specifier, parent) {
  if (!specifier.startsWith('.') || !/\.js$/.test(specifier) || !parent || parent.includes('/node_modules/')) return
  const url = new URL(specifier.replace(/js$/, 'ts'), parent)
  return url.protocol === 'file:' && existsSync(url) ? url.href : undefined
}

export async function load(url, context, next) {
  if (url.startsWith(SCHEME))
    return { source: required.get(url.slice(SCHEME.length)), format: 'module', shortCircuit: true }
  const { protocol, pathname } = new URL(url)
  if (protocol !== 'file:' || !pathname.endsWith('.ts')) return next(url, context)
  return { source: await compiled(fileURLToPath(url)), format: 'module', shortCircuit: true }
}
