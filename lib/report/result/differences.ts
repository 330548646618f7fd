/** What two results say of themselves that is not the same. */
import { describeProvenance } from './provenance.js'
import type { Result } from './result.js'

/** A thing that is said otherwise, or by one alone. */
export interface Difference {
  /** 'Model', 'Seed', the name of a file of weights, of a setting … */
  readonly name: string
  readonly a?: string
  readonly b?: string
}

/** Title, unit, settings (what `extra` holds of single values) and provenance, where they differ. */
export function resultDifferences(a: Result, b: Result): Difference[] {
  const [first, second] = [new Map(said(a)), new Map(said(b))]
  const names = new Set([...first.keys(), ...second.keys()])
  return [...names].flatMap((name) => {
    const [x, y] = [first.get(name), second.get(name)]
    return x === y ? [] : [{ name, ...(x !== undefined && { a: x }), ...(y !== undefined && { b: y }) }]
  })
}

function said({ title, unit, extra, provenance }: Result): [string, string][] {
  const settings = Object.entries(extra).filter(([, value]) => value !== undefined && typeof value !== 'object')
  return [
    ['Title', title],
    ['Unit', unit],
    ...settings.map(([name, value]): [string, string] => [name, String(value)]),
    ...describeProvenance(provenance),
  ]
}
