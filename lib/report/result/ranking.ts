/** The places of a result that rank first: what `Result.top` returns. */
import { Table } from '../table/table.js'
import { visibleToken } from '../table/token-text.js'

/** A place of a result, and its value. */
export interface Ranked {
  /** A label of each axis. */
  readonly labels: string[]
  /** The position on each axis. */
  readonly index: number[]
  readonly value: number
}

/** What a ranking is taken from. */
export interface RankedFrom {
  readonly title: string
  readonly unit: string
  readonly axes: readonly { readonly name: string }[]
  /** How many values there are to rank. */
  readonly count: number
}

/**
 * A list of places, the first in rank first, that also prints.
 * @example
 * effects.top(6).print()
 * for (const { labels, value } of effects.top(6)) console.log(labels.join(', '), value)
 */
export class Ranking extends Array<Ranked> {
  readonly #from: RankedFrom

  /** As `Result.top` makes it. */
  constructor(places: readonly Ranked[], from: RankedFrom) {
    super()
    this.push(...places)
    this.#from = from
  }

  /** `map`, `filter` and `slice` give plain lists. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }

  /** A row a place: its labels and its value. */
  toTable(): Table {
    const { title, unit, axes, count } = this.#from
    const rows = [...this].map(({ labels, value }) => [...labels.map(visibleToken), value])
    const note = count > this.length ? `… and ${count - this.length} more` : undefined
    const columns = [...axes.map(({ name }) => ({ name })), { name: 'value', align: 'right' } as const]
    return new Table(columns, rows, { title: unit ? `${title} (${unit})` : title, note })
  }

  override toString(): string {
    return this.toTable().toString()
  }

  /** Writes the places to stdout, as a table. */
  print(): void {
    console.log(this.toString())
  }

  /** What Node prints for it, in the REPL and in console.log. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
