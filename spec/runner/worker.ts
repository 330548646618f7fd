/**
 * One of the runner's processes: runs the spec file that each message names. What a file prints goes to stdout, and
 * after it a line of MARK and the file's report as JSON.
 */
import { format } from 'node:util'
import Mocha from 'mocha'
import { backendNotice, useBackend } from '../../lib/backend/backend.js'
import { leakHooks } from '../support/root-hooks.js'
import { runFile } from './mocha.js'
import { MARK, type FileReport, type Greeting, type WorkerOptions } from './protocol.js'

const { Base, Spec } = Mocha.reporters
const { grep, color } = JSON.parse(process.argv[2] ?? '{}') as WorkerOptions

/** Mocha's spec reporter, whose end is a report for the runner. */
class Reporter extends Spec {
  private readonly tests: Mocha.Test[] = []

  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    runner.on(Mocha.Runner.constants.EVENT_TEST_END, (test) => this.tests.push(test))
  }

  /** Counts a test by its state at the end: a leak is found after mocha has counted the test as passed. */
  override epilogue(): void {
    const passed = this.tests.filter(({ state }) => state === 'passed').length
    const failures = printed(() => Base.list(this.failures))
    report({ passed, failed: this.stats.failures, failures: this.failures.length > 0 ? failures : '' })
  }
}

/** What mocha prints in this time. */
function printed(print: () => void): string {
  const base = Base as { consoleLog: (...words: unknown[]) => void }
  const { consoleLog } = base
  const lines: string[] = []
  base.consoleLog = (...words) => void lines.push(format(...words))
  print()
  base.consoleLog = consoleLog
  return lines.join('\n')
}

function report(file: FileReport): void {
  process.stdout.write(`${MARK}${JSON.stringify(file)}\n`)
}

/** A file that cannot be loaded is one failure. */
async function run(file: string): Promise<void> {
  try {
    await runFile(file, { reporter: Reporter, rootHooks: leakHooks, color, ...(grep !== undefined && { grep }) })
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    report({ passed: 0, failed: 1, failures: `\n  ${file} cannot be loaded:\n${reason}\n` })
  }
}

process.stderr.write = process.stdout.write.bind(process.stdout) // what a file prints stays together
const greeting: Greeting = { backend: backendNotice(await useBackend()) }
process.send?.(greeting)
process.on('message', (file: string) => void run(file))
