/** Runs tasks, some at a time, and hands on how they ended in the order they were given. */
import { spawn } from 'node:child_process'
import { ROOT } from './files.js'
import { SpecProcess } from './process.js'
import type { Greeting, WorkerOptions } from './protocol.js'
import type { CommandTask, Outcome, Task } from './tasks.js'

export interface RunOptions extends WorkerOptions {
  /** The same tasks, in the order in which they are started. */
  readonly schedule: readonly Task[]
  /** How many tasks run at a time. */
  readonly jobs: number
  /** Takes each outcome, in the order of the tasks. */
  readonly onOutcome: (task: Task, outcome: Outcome) => void
  /** Hears once which backend the specs compute on. */
  readonly onGreeting: (greeting: Greeting) => void
}

/** Runs all tasks. @returns what is wrong with how the processes ended, one sentence each */
export async function runTasks(tasks: readonly Task[], options: RunOptions): Promise<string[]> {
  const { schedule, jobs, onOutcome } = options
  const waiting = [...schedule]
  const hand = inOrder(tasks, onOutcome)
  const onGreeting = once(options.onGreeting)
  const slots = Array.from({ length: Math.min(jobs, tasks.length) }, () =>
    work(waiting, hand, { ...options, onGreeting }),
  )
  return (await Promise.all(slots)).flat()
}

/** Does tasks until none is left; spec files all in one process, or in a new one where that has ended. */
async function work(
  waiting: Task[],
  hand: (task: Task, outcome: Outcome) => void,
  options: RunOptions,
): Promise<string[]> {
  let specs: SpecProcess | undefined
  for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
    if (task.kind === 'command') {
      hand(task, await runCommand(task))
      continue
    }
    if (!specs?.lives) specs = new SpecProcess(options, options.onGreeting)
    hand(task, await specs.run(task.title))
  }
  const wrong = await specs?.end()
  return wrong === undefined ? [] : [wrong]
}

/** Holds an outcome back until those of all earlier tasks have been handed on. */
function inOrder(tasks: readonly Task[], onOutcome: RunOptions['onOutcome']): RunOptions['onOutcome'] {
  const early = new Map<Task, Outcome>()
  let next = 0
  return (task, outcome) => {
    early.set(task, outcome)
    for (let due = tasks[next]; due !== undefined; due = tasks[next]) {
      const ended = early.get(due)
      if (!ended) return
      onOutcome(due, ended)
      next++
    }
  }
}

function once<T>(call: (value: T) => void): (value: T) => void {
  let called = false
  return (value) => {
    if (!called) call(value)
    called = true
  }
}

/** Runs a command to its end: one passed, or one failed with all that it printed. */
async function runCommand({ title, args }: CommandTask): Promise<Outcome> {
  const begin = performance.now()
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise<number | null>((done) => child.once('close', done))
  const seconds = (performance.now() - begin) / 1000
  const failures = code === 0 ? '' : `\n  ${title} failed\n`
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, seconds, output, failures }
}
