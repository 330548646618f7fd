/** The command line of the runner. */
import { parseArgs } from 'node:util'
import { availableParallelism } from 'node:os'

export interface RunnerOptions {
  /** Spec files and folders of them; none for all. */
  readonly paths: readonly string[]
  /** Spec files that are left out. */
  readonly ignored: readonly string[]
  /** Only the tests whose full title has this. */
  readonly grep: string | undefined
  /** How many processes run at a time. */
  readonly jobs: number
  /** Whether lint, format and types are checked too. */
  readonly checks: boolean
  /** Whether the proofs that `npm test` leaves to `.ci/run` are made too; files that are named make all of theirs. */
  readonly all: boolean
}

const USAGE = `npm run spec -- [options] [FILE or FOLDER …]
  -g, --grep TEXT   only the tests whose full title has it
  --ignore FILE     leave this file out (again for others)
  --jobs N          processes at a time (as many as there are processors)
  --checks          check format, lint and types too
  --all             make the proofs that are left to .ci/run too`

/** @throws Error with the usage for what it does not know */
export function readOptions(args: readonly string[]): RunnerOptions {
  const options = {
    grep: { type: 'string', short: 'g' },
    ignore: { type: 'string', multiple: true },
    jobs: { type: 'string' },
    checks: { type: 'boolean' },
    all: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const jobs = values.jobs === undefined ? availableParallelism() : Number(values.jobs)
  if (values.help === true || !Number.isInteger(jobs) || jobs < 1) throw new Error(USAGE)
  return {
    paths: positionals,
    ignored: values.ignore ?? [],
    grep: values.grep,
    jobs,
    checks: values.checks === true,
    all: values.all === true,
  }
}
