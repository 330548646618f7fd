/** The `results.json` of a notebook, read back piece by piece. */
import { z } from 'zod'
import { ArgumentError, MismatchError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { fewNames } from '../../errors/brief.js'
import type { JsonObject, JsonValue } from '../result/json.js'
import { reviveWithin } from '../result/load-saved.js'
import type { Provenance } from '../result/provenance.js'
import { provenanceSchema, readSaved, savedSchema, type SavedKind } from '../result/saved.js'
import { Table } from '../table/table.js'

export const notebookFormat = 'tfjs-lens-notebook'

/** Names in the file that are no pieces. */
export const reserved = ['format', 'version', 'title', 'provenance'] as const

export class NotebookResults {
  static readonly format = notebookFormat
  readonly title: string
  readonly provenance: Provenance
  readonly #pieces: ReadonlyMap<string, JsonValue>
  readonly #kinds: readonly SavedKind<unknown>[]

  constructor(
    { title, provenance, pieces }: { title: string; provenance: Provenance; pieces: ReadonlyMap<string, JsonValue> },
    kinds: readonly SavedKind<unknown>[] = [],
  ) {
    ;[this.title, this.provenance, this.#pieces, this.#kinds] = [title, provenance, pieces, kinds]
  }

  /** Of the pieces, in the order they were kept in. */
  get names(): string[] {
    return [...this.#pieces.keys()]
  }

  /**
   * What was kept under a name: results as the classes they were, also inside lists and objects, the rest plain JSON.
   * Only this piece is read, so that a damaged one does not keep the others back.
   * @param kind the class it must be, for its type
   * @throws ArgumentError of an unknown name, FileError of a damaged piece, MismatchError when it is another class
   */
  get(name: string): unknown
  get<T>(name: string, kind: SavedKind<T>): T
  get<T>(name: string, kind?: SavedKind<T>): unknown {
    if (!this.#pieces.has(name)) {
      const hint = didYouMean(name, this.names)
      throw new ArgumentError(`get: nothing was kept as '${name}'.${hint} There are ${fewNames(this.names)}.`)
    }
    const kinds = kind ? [kind, ...this.#kinds] : this.#kinds
    const piece = reviveWithin(this.#pieces.get(name), kinds, `get: ${name}`)
    return kind ? checkKind(piece, kind, `get: ${name}`) : piece
  }

  /** The names and what stands under each. */
  toTable(): Table {
    const rows = [...this.#pieces].map(([name, value]) => [name, describe(value)])
    return new Table(['piece', 'holds'], rows, { title: this.title })
  }

  toString(): string {
    return this.toTable().toString()
  }

  print(): void {
    this.toTable().print()
  }

  toJSON(): JsonObject {
    const { title, provenance } = this
    return { format: notebookFormat, version: 1, title, ...Object.fromEntries(this.#pieces), provenance: { ...provenance } } // prettier-ignore
  }

  /** What `Notebook.write` wrote. @param kinds what its pieces may be. @throws FileError */
  static fromJSON(value: unknown, kinds: readonly SavedKind<unknown>[] = []): NotebookResults {
    const { title, provenance, ...rest } = readSaved('NotebookResults', schema, value)
    const pieces = Object.entries(rest).filter(([name]) => !(reserved as readonly string[]).includes(name))
    return new NotebookResults({ title, provenance, pieces: new Map(pieces as [string, JsonValue][]) }, kinds)
  }

  /** What Node prints for it, in the REPL and in console.log. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

const schema = savedSchema(notebookFormat, { title: z.string(), provenance: provenanceSchema }).catchall(z.unknown())

/** @throws MismatchError when the value is of another class than was asked for */
export function checkKind<T>(value: unknown, kind: SavedKind<T>, doing: string): T {
  if (typeof kind === 'function' && value instanceof (kind as unknown as new () => T)) return value
  throw new MismatchError(`${doing} holds ${describe(value)}. A ${kind.name} was asked for.`)
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value !== 'object' || value === null) return typeof value === 'number' ? String(value) : typeof value
  const { format, kind } = value as { format?: unknown; kind?: unknown }
  const { constructor } = Object.getPrototypeOf(value) as { constructor: { name: string } }
  if (constructor !== Object) return `a ${constructor.name}`
  if (typeof format !== 'string') return `an object of ${Object.keys(value).length}`
  return typeof kind === 'string' ? `${format} (${kind})` : format
}
