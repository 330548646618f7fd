/** Runs the checks of records, one JSON line each, and counts. */
import path from 'node:path'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { Check, Plan } from './check.js'
import { failure, type Verdict } from './compare.js'
import { modelPlan } from './model.js'
import { pocketPlan } from './pocket.js'
import { findRecords, RecordFolder } from './record.js'
import { saePlan } from './sae.js'

/** Kinds of record by the key of expected.json that tells them. */
const kinds: readonly (readonly [key: string, plan: (record: RecordFolder) => Promise<Plan>])[] = [
  ['kind', modelPlan],
  ['tolerances', saePlan],
  ['dla_labels', pocketPlan],
]

export interface Tally {
  readonly passed: number
  readonly failed: number
}

export interface RunOptions {
  /**
   * Only checks whose `case/tensor` contains this text; a text with `*` or `?` must match all of it, or all of
   * `tensor`.
   */
  readonly only?: string
  /** Takes each line as soon as it is there. */
  readonly write: (line: string) => void
}

/**
 * Holds the library to the records in these folders.
 * @throws ArgumentError, before any check, for folders without records and when `only` leaves nothing.
 */
export async function runConformance(folders: readonly string[], { only, write }: RunOptions): Promise<Tally> {
  const plans: Plan[] = []
  try {
    for (const folder of await findRecords(folders)) plans.push(narrowed(await planOf(folder), only))
    if (plans.every(({ checks }) => checks.length === 0)) throw nothingLeft(only)
    let [passed, failed] = [0, 0]
    for (const plan of plans) {
      for (const check of plan.checks) {
        const verdict = await verdictOf(check)
        write(lineOf(check, verdict))
        if (verdict.ok) passed++
        else failed++
      }
      await plan.dispose() // before the next record's models are loaded
    }
    write(`${passed} passed, ${failed} failed`)
    return { passed, failed }
  } finally {
    for (const plan of plans) await plan.dispose()
  }
}

async function planOf(folder: string): Promise<Plan> {
  const name = path.basename(folder)
  let record: RecordFolder | undefined
  try {
    record = await RecordFolder.open(folder)
    const { expected } = record
    const kind = kinds.find(([key]) => expected[key] !== undefined)
    if (kind) return await kind[1](record)
    const keys = kinds.map(([key]) => `'${key}'`).join(', ')
    return failedPlan(name, `not supported yet: a record without any of ${keys}, which tell its kind`)
  } catch (error) {
    await record?.close()
    return failedPlan(name, messageOf(error)) // a record that cannot be read fails, and the others go on
  }
}

function failedPlan(name: string, error: string): Plan {
  const run = async () => failure(error)
  return { checks: [{ case: name, tensor: 'expected.json', tolerance: { atol: 0 }, run }], dispose: async () => {} }
}

function narrowed(plan: Plan, only: string | undefined): Plan {
  if (only === undefined) return plan
  const chosen = matcher(only)
  return {
    checks: plan.checks.filter((c) => chosen(`${c.case}/${c.tensor}`) || chosen(c.tensor)),
    dispose: () => plan.dispose(),
  }
}

function matcher(only: string): (name: string) => boolean {
  if (!/[*?]/.test(only)) return (name) => name.includes(only)
  const escaped = only.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  const pattern = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's')
  return (name) => pattern.test(name)
}

function nothingLeft(only: string | undefined): ArgumentError {
  return new ArgumentError(
    only === undefined
      ? 'conformance: the records list nothing to check. Name a folder with recorded tensors.'
      : `conformance: --only '${only}' matches no check. ` +
          'Give a part of a case/tensor, or a pattern with * for all of it.',
  )
}

async function verdictOf(check: Check): Promise<Verdict> {
  try {
    return await check.run()
  } catch (error) {
    return failure(messageOf(error))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function lineOf({ case: name, tensor, tolerance }: Check, { maxAbs, ok, error }: Verdict): string {
  const { atol, rtol } = tolerance
  return JSON.stringify({ case: name, tensor, maxAbs, tolerance: atol, ...(rtol !== undefined && { rtol }), ok, error })
}
