#!/usr/bin/env node
/** The command line, `tfjs-lens COMMAND`. Each command is a file of this folder; its work is imported when it runs. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { LensError } from '../errors.js'
import * as bench from './bench.js'
import * as conformance from './conformance.js'
import * as ioi from './ioi.js'
import * as repl from './repl.js'

const COMMANDS = [ioi, conformance, bench, repl]

/** By the package's own name, as its root is at another distance from here in dist. */
function version(): string {
  const path = createRequire(import.meta.url).resolve('tfjs-lens/package.json')
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

// a reader that has enough, such as `head`, closes the pipe
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

const program = new Command('tfjs-lens')
  .description('Mechanistic interpretability in TypeScript on TensorFlow.js')
  .version(version())
  .addHelpText(
    'after',
    '\nThe backend is chosen by itself; TFJS_LENS_BACKEND=wasm (tfjs-node, tfjs-node-gpu, cpu) names one.',
  )
for (const command of COMMANDS) command.register(program)

try {
  await program.parseAsync()
} catch (error) {
  console.error(error instanceof LensError ? error.message : error)
  process.exitCode = 1
}
