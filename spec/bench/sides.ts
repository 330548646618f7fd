/** How the two sides of the benchmark, and the makers of models, are started. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ArgumentError } from '../../lib/errors/errors.js'
import { withTypeScript } from '../support/loader.js'
import { Side, type Answer } from './side.js'

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Our side in a process of its own. */
export function startOurs(folder: string, threads: number): Promise<[Side, Answer]> {
  const args = [...withTypeScript, '--expose-gc', pathOf('worker.ts'), folder]
  return Side.start('ours', process.execPath, args, ourEnv(threads))
}

/** The peer, by a Python that has it. */
export function startPeer(python: string, folder: string, threads: number): Promise<[Side, Answer]> {
  const args = [pathOf('peer.py'), '--models', folder, '--serve', '--threads', String(threads)]
  return Side.start('peer', python, args, {})
}

/** Models with random weights at GPT-2 small's sizes, or tiny ones. */
export function makeOurModels(folder: string, size: string, threads: number): Promise<void> {
  return runToEnd(process.execPath, [...withTypeScript, pathOf('make-models.ts'), folder, size], ourEnv(threads))
}

/** The same by the peer's script, with a tokenizer that the peer can read. */
export function makePeerModels(python: string, folder: string): Promise<void> {
  return runToEnd(python, [pathOf('make_models.py'), folder], {})
}

function ourEnv(threads: number): NodeJS.ProcessEnv {
  return { TF_NUM_INTRAOP_THREADS: String(threads) }
}

function runToEnd(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 2, 2] })
    child.on('error', (error) => reject(new ArgumentError(`bench: ${error.message}. Name a program that is there.`)))
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new ArgumentError(`bench: the models could not be made (exit code ${code}). See above for why.`))
    })
  })
}
