/** `repl`: a TypeScript prompt with the library, tf and the embedded model at hand. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { start, type REPLServer } from 'node:repl'
import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'
import type * as tf from '@tensorflow/tfjs'
import type { Command } from 'commander'

export function register(program: Command): void {
  program
    .command('repl')
    .description('open a TypeScript prompt with the library, tf and the embedded model')
    .action(openRepl)
}

async function openRepl(): Promise<void> {
  const { typeScriptEval } = await import('./repl-eval.js')
  const names = await preload()
  const interactive = process.stdin.isTTY === true
  if (interactive) console.error(`model is the embedded model; there are also ${Object.keys(names).sort().join(', ')}`)
  const input = interactive ? process.stdin : new PassThrough()
  // The library's own globals, so that an array or RegExp typed here is `instanceof` the library's Array or RegExp.
  const server = start({
    prompt: interactive ? '> ' : '',
    input,
    output: process.stdout,
    useGlobal: true,
    ignoreUndefined: true,
    writer: writerFor(names.tf),
  })
  Object.assign(server.context, names)
  Object.assign(server, { eval: typeScriptEval(server.eval) })
  await (interactive ? withHistory(server) : feed(server, input as PassThrough))
}

/** Hands on piped lines one by one: Node's prompt would not wait for the end of an `await` before it takes the next. */
async function feed(server: REPLServer, input: PassThrough): Promise<void> {
  let ready = () => {}
  server.displayPrompt = () => ready()
  server.on('exit', () => ready())
  for await (const line of createInterface({ input: process.stdin })) {
    const answered = new Promise<void>((resolve) => (ready = resolve))
    input.write(`${line}\n`)
    await answered
  }
  input.end()
}

/** Every name that is there at the prompt. */
async function preload() {
  const { backendNotice, useBackend } = await import('../backend/backend.js')
  console.error(`backend: ${backendNotice(await useBackend())}`)
  const tf = await import('@tensorflow/tfjs')
  const core = await import('../index.js')
  const doors = await Promise.all([
    import('../../models/index.js'),
    import('../../saes/index.js'),
    import('../../analyses/index.js'),
    import('../data/index.js'),
    import('../report/index.js'),
    import('../sweep/index.js'),
  ])
  return { ...core, ...Object.assign({}, ...doors), tf, model: await core.loadModel() }
}

/** As Node prints a value, but of a tensor the numbers: inspected, it would show ids. */
function writerFor({ Tensor }: typeof tf): (value: unknown) => string {
  const colors = process.stdout.isTTY === true && !process.env['NO_COLOR']
  return (value) => (value instanceof Tensor ? value.toString() : inspect(value, { colors }))
}

function withHistory(server: REPLServer): Promise<void> {
  const path = process.env['NODE_REPL_HISTORY'] ?? join(homedir(), '.tfjs_lens_history')
  return new Promise((done) => server.setupHistory(path, () => done()))
}
