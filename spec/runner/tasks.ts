/** What a run does: spec files, and commands that are checks of their own. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export type Task = SpecTask | CommandTask

/** A spec file, run in one of the runner's processes. */
export interface SpecTask {
  readonly kind: 'spec'
  readonly title: string
}

/** A command that counts as one check. */
export interface CommandTask {
  readonly kind: 'command'
  readonly title: string
  /** A script of Node's and its arguments. */
  readonly args: readonly string[]
}

/** How a task ended. */
export interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly seconds: number
  /** What is printed of it. */
  readonly output: string
  /** What is said of its failures at the end of the run. */
  readonly failures: string
}

/** The script behind a package's command. */
function scriptOf(name: string, command: string): string {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve(`${name}/package.json`)
  const { bin } = require(manifest) as { bin: string | Record<string, string> }
  return join(dirname(manifest), typeof bin === 'string' ? bin : (bin[command] ?? ''))
}

/**
 * Lint, types and format, the slowest first. The last two remember what they found; lint cannot, as what it says of a
 * file depends on the types of others.
 */
export function checkTasks(): CommandTask[] {
  const check = (title: string, ...args: string[]): CommandTask => ({ kind: 'command', title, args })
  const cache = (name: string) => `node_modules/.cache/tfjs-lens/${name}`
  const format = ['--check', '--log-level', 'warn', '.']
  return [
    check('lint', scriptOf('eslint', 'eslint'), '--max-warnings', '0', '.'),
    check('types', scriptOf('typescript', 'tsc'), '--noEmit', '--incremental', '--tsBuildInfoFile', cache('types')),
    check('format', scriptOf('prettier', 'prettier'), ...format, '--cache', '--cache-location', cache('format')),
  ]
}
