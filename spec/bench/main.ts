/** `bench`: how long typical work takes, beside a Python peer where one is given. spec/bench/README.md has the jobs. */
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ArgumentError, FileError } from '../../lib/errors/errors.js'
import { JOB_NAMES, parseJobs, type JobName } from './job-names.js'
import { measure, type BenchOptions } from './measure.js'
import { makeOurModels, makePeerModels, startOurs } from './sides.js'

interface Options {
  readonly jobs: string
  readonly peer?: string
  readonly models?: string
  readonly repeat: string
  readonly threads: string
  readonly size?: string
  readonly list?: boolean
}

export function register(program: Command): void {
  program
    .command('bench')
    .description('time typical work, in turn with a Python peer; one line of JSON a job')
    .option('--jobs <names>', 'comma separated, or all', 'all')
    .option('--peer <python>', 'a Python with TransformerLens and SAELens (spec/bench/requirements.txt)')
    .option('--models <folder>', 'made by spec/bench/make_models.py; without it models are made for the run')
    .option('--size <size>', 'of models made for the run: small (GPT-2 small) or tiny')
    .option('--repeat <n>', 'runs that count; one more comes before', '5')
    .option('--threads <n>', 'for each side', process.env['TF_NUM_INTRAOP_THREADS'] ?? String(availableParallelism()))
    .option('--list', 'print the names of the jobs and stop')
    .action(bench)
}

async function bench(options: Options): Promise<void> {
  if (options.list) return void process.stdout.write(`${JOB_NAMES.join('\n')}\n`)
  const names = parseJobs(options.jobs)
  const repeat = wholeNumber('repeat', options.repeat)
  const threads = wholeNumber('threads', options.threads)
  checkSize(options)
  const { peer } = options
  const run = (folder: string) => runJobs(names, { folder, threads, repeat, ...(peer !== undefined && { peer }) })
  if (options.models !== undefined) {
    checkFolder(options.models)
    return run(options.models)
  }
  await inTemporaryFolder(async (folder) => {
    console.error('bench: making models with random weights')
    if (peer === undefined) await makeOurModels(folder, options.size ?? 'small', threads)
    else await makePeerModels(peer, folder)
    await run(folder)
  })
}

async function runJobs(names: readonly JobName[], options: BenchOptions): Promise<void> {
  console.error(`bench: ${options.threads} threads; load of this machine before: ${loadavg()[0]!.toFixed(1)}`)
  const limit = await printMatmulLimit(options)
  for (const name of names) {
    try {
      const line = await measure(name, options, limit)
      print(line)
      console.error(`bench: ${summary(line)}`)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      print({ job: name, error: message })
      console.error(`bench: ${name} failed: ${message}`)
      process.exitCode = 1
    }
  }
}

/** Prints it and gives the largest of its numbers, in 10⁹ operations a second. */
async function printMatmulLimit({ folder, threads }: BenchOptions): Promise<number> {
  const [side, ready] = await startOurs(folder, threads)
  try {
    const line = await side.ask('matmul_limit')
    print({ ...line, backend: ready['backend'], threads: ready['threads'] })
    console.error(`bench: ${String(ready['backend'])} (${String(ready['detail'])})`)
    return Math.max(...Object.values(line['gflops'] as Record<string, number>))
  } finally {
    await side.stop()
  }
}

function summary({ job, ours, peer, ratio, agree, disagreement }: Awaited<ReturnType<typeof measure>>): string {
  const beside = peer === null ? '' : `, peer ${Number(peer).toFixed(3)} s, ratio ${String(ratio)}`
  const agreement = agree === null ? '' : agree ? ', agree' : `, DISAGREE: ${String(disagreement)}`
  return `${String(job)}: ${Number(ours).toFixed(3)} s${beside}${agreement}`
}

/** The folder is removed at the end, also of a run that is broken off. */
async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tfjs-lens-bench-'))
  const breakOff = () => {
    rmSync(folder, { recursive: true, force: true })
    process.exit(130)
  }
  process.once('SIGINT', breakOff).once('SIGTERM', breakOff)
  try {
    await body(folder)
  } finally {
    process.off('SIGINT', breakOff).off('SIGTERM', breakOff)
    await rm(folder, { recursive: true, force: true })
  }
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new ArgumentError(`bench: --${option} is '${text}'. It must be a whole number from 1.`)
}

function checkSize({ size, models, peer }: Options): void {
  if (size === undefined) return
  if (size !== 'small' && size !== 'tiny')
    throw new ArgumentError(`bench: --size is '${size}'. It must be small or tiny.`)
  if (models !== undefined || peer !== undefined) {
    const other = models === undefined ? 'peer' : 'models'
    throw new ArgumentError(
      `bench: --size ${size} beside --${other}. It is of models that we make ourselves: leave one out.`,
    )
  }
}

function checkFolder(folder: string): void {
  if (existsSync(join(folder, 'inputs.json'))) return
  throw new FileError(`bench: there is no inputs.json in '${folder}'. Make the folder with spec/bench/make_models.py.`)
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
