/** The command line, run from the sources in a process of its own. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { withTypeScript } from './loader.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Runs `tfjs-lens ARGS`, in the repository's root, with this piped into it and these environment variables set. */
export function tfjsLens(args: string[], input = '', settings: Record<string, string> = {}): SpawnSyncReturns<string> {
  return runFile('lib/cli/main.ts', args, input, settings)
}

/** The same of the harnesses' commands: `conformance` and `bench`. */
export function harness(args: string[]): SpawnSyncReturns<string> {
  return runFile('spec/commands.ts', args, '', {})
}

function runFile(
  file: string,
  args: string[],
  input: string,
  settings: Record<string, string>,
): SpawnSyncReturns<string> {
  const command = [...withTypeScript, file, ...args]
  const env = { ...process.env, NO_COLOR: '1', ...settings }
  return spawnSync(process.execPath, command, { cwd: ROOT, env, input, encoding: 'utf8' })
}
