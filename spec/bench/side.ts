/** One side of the benchmark: a process that answers each line with a line of JSON. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { JsonValue } from '../../lib/report/result/json.js'

export type Answer = { readonly [key: string]: JsonValue }

export class Side {
  /** For messages: 'ours' or 'peer'. */
  readonly name: string
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #stderr = ''

  private constructor(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.name = name
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.on('error', (error) => (this.#stderr += error.message))
    this.#child.stdin!.on('error', () => undefined) // it ended: said when the answer is awaited
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  /** Starts the process and waits for its first line. @throws ArgumentError when it ends instead. */
  static async start(
    name: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<[Side, Answer]> {
    const side = new Side(name, command, args, env)
    return [side, await side.#next()]
  }

  /** Sends a line and waits for the answer. @throws ArgumentError when it is an error, or the process ends. */
  async ask(line: string): Promise<Answer> {
    this.#child.stdin!.write(`${line}\n`)
    const answer = await this.#next()
    if (typeof answer['error'] === 'string') throw new ArgumentError(`${this.name}: ${answer['error']}`)
    return answer
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill()
    await once(this.#child, 'close')
  }

  async #next(): Promise<Answer> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) throw new ArgumentError(`${this.name}: the process ended. ${lastLines(this.#stderr)}`)
      if (value.startsWith('{')) return JSON.parse(value) as Answer
    }
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' | ')
}
