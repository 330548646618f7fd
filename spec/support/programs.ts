/** Runs scripts, all in one process of their own, and tells what they printed and how they ended. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MARK } from './doc-blocks.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RUNNER = fileURLToPath(new URL('run-programs.ts', import.meta.url))

export interface Run {
  readonly printed: string
  /** `ok`, or what went wrong: an error, or tensors left behind. */
  readonly end: string
}

/** Runs the files one after the other, in the root of the repository. */
export async function runPrograms(files: readonly string[]): Promise<Run[]> {
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined }
  const child = spawn(process.execPath, ['--import', 'tsx', RUNNER, ...files], { cwd: ROOT, env })
  let [printed, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  await new Promise((done) => child.on('close', done))
  const parts = printed.split(new RegExp(`${MARK} end (.*)\n`)) // what one printed, its end, what the next printed, …
  return files.map((_, i) => {
    const end = parts[2 * i + 1]
    const early = `the process ended early: ${errors.slice(-2000)}`
    return { printed: parts[2 * i] ?? '', end: end === undefined ? early : (JSON.parse(end) as string) }
  })
}
