/** A command line out of commands, each a file of its own whose work is imported when it runs. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { LensError } from '../errors/errors.js'

/** A file that adds its command to a program. */
export interface CommandFile {
  register(program: Command): void
}

/** Runs the command that the process's arguments name. An error of ours is printed as its message alone; exit code 1. */
export async function runProgram(name: string, description: string, commands: readonly CommandFile[]): Promise<void> {
  // a reader that has enough, such as `head`, closes the pipe
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  const program = new Command(name)
    .description(description)
    .version(version())
    .addHelpText(
      'after',
      '\nThe backend is chosen by itself; TFJS_LENS_BACKEND=wasm (tfjs-node, tfjs-node-gpu, cpu) names one.',
    )
  for (const command of commands) command.register(program)
  try {
    await program.parseAsync()
  } catch (error) {
    console.error(error instanceof LensError ? error.message : error)
    process.exitCode = 1
  }
}

/** By the package's own name, as its root is at another distance from here in dist. */
function version(): string {
  const path = createRequire(import.meta.url).resolve('tfjs-lens/package.json')
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}
