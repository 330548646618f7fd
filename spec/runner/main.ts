/**
 * `npm test` and `npm run spec`: spec files in as many processes as there are processors, one file at a time each, and
 * what is printed in the order of the files' names. The last line is `N passed, N failed`.
 */
import { slowestFirst, specFiles } from './files.js'
import { makeProofs, SLOW_PROOFS } from './proofs.js'
import { readOptions, type RunnerOptions } from './options.js'
import { runTasks } from './run.js'
import { checkTasks, type Outcome, type SpecTask, type Task } from './tasks.js'

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const full = options.all || options.paths.length > 0
  makeProofs(full)
  const left = full ? [] : SLOW_PROOFS
  const whole = left.filter(({ isWhole }) => isWhole).map(({ file }) => file)
  const files = specFiles(options.paths, [...options.ignored, ...whole])
  const [only] = files
  if (only !== undefined && files.length === 1 && !options.checks) return runHere(only, options)
  const [outcomes, wrong] = await runApart(files, options)
  printFailures(outcomes, wrong)
  if (left.length > 0) console.log(`\nleft to .ci/run: ${left.map(({ what }) => what).join('; ')}`)
  printCounts(outcomes, wrong.length)
}

/** One file needs no process of its own. */
async function runHere(file: string, { grep }: RunnerOptions): Promise<void> {
  const { runFile } = await import('./mocha.js')
  const { mochaHooks } = await import('../support/root-hooks.js')
  const { default: reporter } = await import('../support/reporter.js')
  const failed = await runFile(file, { reporter, rootHooks: mochaHooks, ...(grep !== undefined && { grep }) })
  if (failed > 0) process.exitCode = 1
}

/** How each task ended, and what is wrong with how the processes did. */
async function runApart(
  files: readonly string[],
  { grep, jobs, checks }: RunnerOptions,
): Promise<[outcomes: Outcome[], wrong: string[]]> {
  const asTask = (title: string): SpecTask => ({ kind: 'spec', title })
  const specs = new Map(files.map((file) => [file, asTask(file)]))
  const commands = checks ? checkTasks() : []
  const schedule = [...commands, ...slowestFirst(files).flatMap((file) => specs.get(file) ?? [])]
  const tasks: Task[] = [...commands, ...specs.values()]
  const outcomes: Outcome[] = []
  const wrong = await runTasks(tasks, {
    grep,
    color: process.stdout.isTTY,
    schedule,
    jobs,
    onGreeting: ({ backend }) => console.error(`backend: ${backend}`),
    onOutcome: (task, outcome) => {
      outcomes.push(outcome)
      print(task, outcome)
    },
  })
  return [outcomes, wrong]
}

function print({ kind, title }: Task, { passed, failed, seconds, output }: Outcome): void {
  if (passed + failed === 0) return // a file without a test that --grep looks for
  const check = kind === 'command' ? (failed === 0 ? ': passed' : ': failed') : ''
  process.stdout.write(`\n${title}${check} (${seconds.toFixed(1)} s)\n${output.trimEnd()}\n`)
}

function printFailures(outcomes: readonly Outcome[], wrong: readonly string[]): void {
  for (const { failures } of outcomes) process.stdout.write(failures)
  for (const sentence of wrong) console.log(`\n  ${sentence}`)
}

function printCounts(outcomes: readonly Outcome[], others: number): void {
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0)
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, others)
  if (failed > 0) process.exitCode = 1
  console.log(`\n${passed} passed, ${failed} failed`)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
