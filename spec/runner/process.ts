/** A process that runs spec files, one at a time, as the runner holds it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ROOT } from './files.js'
import { MARK, type FileReport, type Greeting, type WorkerOptions } from './protocol.js'
import type { Outcome } from './tasks.js'
import { withTypeScript } from '../support/loader.js'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))
/** How long a process may take to end when nothing is left to do, in milliseconds. */
const PATIENCE = 10_000

export class SpecProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  #printed = ''
  #wake: () => void = () => {}

  /** @param greet hears which backend it computes on */
  constructor(options: WorkerOptions, greet: (greeting: Greeting) => void) {
    const args = [...withTypeScript, WORKER, JSON.stringify(options)]
    this.#child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text
      this.#wake()
    })
    this.#child.once('message', (greeting) => greet(greeting as Greeting))
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message))
      // not 'close', which does not come once the channel to the process is closed
      this.#child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    void this.#ended.then(() => this.#wake())
  }

  /** Whether it can be given another file. */
  get lives(): boolean {
    return this.#child.connected
  }

  /** Runs a file. Where the process ends meanwhile, that is the file's failure. */
  async run(file: string): Promise<Outcome> {
    const begin = performance.now()
    this.#printed = ''
    this.#child.send(file)
    const end = await Promise.race([this.#report(), this.#ended.then(drained)])
    const seconds = (performance.now() - begin) / 1000
    const [output = '', line] = this.#printed.split(MARK)
    if (line !== undefined) return { ...(JSON.parse(line) as FileReport), seconds, output }
    const failures = `\n  ${file}: the process ended (${String(end)})\n`
    return { passed: 0, failed: 1, seconds, output, failures }
  }

  /** Resolves when the line of the report has come whole. */
  async #report(): Promise<void> {
    const isWhole = () => this.#printed.includes(MARK) && this.#printed.endsWith('\n')
    while (!isWhole()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  /** Lets it end. @returns what is wrong with how it did, or undefined */
  async end(): Promise<string | undefined> {
    if (!this.lives) return undefined
    this.#child.disconnect()
    let late: NodeJS.Timeout | undefined
    const tooLong = new Promise<'late'>((resolve) => (late = setTimeout(() => resolve('late'), PATIENCE)))
    const ended = await Promise.race([this.#ended, tooLong])
    clearTimeout(late)
    if (ended === 'exit code 0') return undefined
    if (ended === 'late') this.#child.kill('SIGKILL')
    const last = this.#printed.split('\n').slice(-20).join('\n')
    const fault = ended === 'late' ? 'does not end: a spec holds it open' : `ends with ${ended}`
    return `a process of the runner ${fault}\n${last}`
  }
}

/** What a process wrote before its end may come after the news of it. */
async function drained(end: string): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 100))
  return end
}
