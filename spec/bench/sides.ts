/** How the two sides of the benchmark, and the makers of models, are started. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ArgumentError, FileError } from '../../lib/errors/errors.js'
import { Side, type Answer } from './side.js'

const here = fileURLToPath(import.meta.url)

/** Our side in a process of its own. */
export function startOurs(folder: string, threads: number): Promise<[Side, Answer]> {
  return Side.start(
    'ours',
    process.execPath,
    [...nodeOptions(), '--expose-gc', entry('worker'), folder],
    ourEnv(threads),
  )
}

/** The peer, by a Python that has it. */
export function startPeer(python: string, folder: string, threads: number): Promise<[Side, Answer]> {
  const args = [peerScript('peer.py'), '--models', folder, '--serve', '--threads', String(threads)]
  return Side.start('peer', python, args, {})
}

/** Models with random weights at GPT-2 small's sizes, or tiny ones. */
export function makeOurModels(folder: string, size: string, threads: number): Promise<void> {
  return runToEnd(process.execPath, [...nodeOptions(), entry('make-models'), folder, size], ourEnv(threads))
}

/** The same by the peer's script, with a tokenizer that the peer can read. */
export function makePeerModels(python: string, folder: string): Promise<void> {
  return runToEnd(python, [peerScript('make_models.py'), folder], {})
}

function ourEnv(threads: number): NodeJS.ProcessEnv {
  return { TF_NUM_INTRAOP_THREADS: String(threads) }
}

/**
 * From source, the loader of TypeScript for modules alone. The one for CommonJS beside it grows a WebAssembly memory of
 * its own, and once an array buffer has been detached so, V8 runs every loop over typed arrays at half its speed.
 */
function nodeOptions(): string[] {
  return extname(here) === '.ts' ? ['--import', pathToFileURL(createRequire(here).resolve('tsx/esm')).href] : []
}

/** A file beside this one, in TypeScript here and in JavaScript in the built package. */
function entry(name: string): string {
  return join(dirname(here), name + extname(here))
}

/** @throws FileError in the npm package, which goes without the peer's side. */
function peerScript(name: string): string {
  const root = dirname(createRequire(here).resolve('tfjs-lens/package.json'))
  const path = join(root, 'spec/bench', name)
  if (existsSync(path)) return path
  throw new FileError(`bench: there is no ${path}. To compare with a peer, run the benchmark in a clone of tfjs-lens.`)
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
