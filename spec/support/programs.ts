/** Runs scripts, all in one process of their own, and tells what they printed and how they ended. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MARK } from './doc-blocks.js'
import { withTypeScript } from './loader.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RUNNER = fileURLToPath(new URL('run-programs.ts', import.meta.url))

export interface Run {
  readonly printed: string
  /** `ok`, or what went wrong: an error, or tensors left behind. */
  readonly end: string
}

/** A file, and the arguments it is run with. */
export type Program = string | readonly [file: string, ...args: string[]]

/** Runs the files one after the other, in the root of the repository. */
export async function runPrograms(programs: readonly Program[]): Promise<Run[]> {
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined }
  const commands = programs.map((program) => JSON.stringify([program].flat()))
  const child = spawn(process.execPath, [...withTypeScript, RUNNER, ...commands], { cwd: ROOT, env })
  let [printed, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  await new Promise((done) => child.on('close', done))
  const parts = printed.split(new RegExp(`${MARK} end (.*)\n`)) // what one printed, its end, what the next printed, …
  return programs.map((_, i) => {
    const end = parts[2 * i + 1]
    const early = `the process ended early: ${errors.slice(-2000)}`
    return { printed: parts[2 * i] ?? '', end: end === undefined ? early : (JSON.parse(end) as string) }
  })
}
