/** What an analysis returns: numbers with named, labelled axes and where they come from. */
import { dim } from 'ansis'
import { ArgumentError, ShapeError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { csvOf } from './csv.js'
import { bars, heatmap, type Figure } from '../figure/figure.js'
import type { JsonObject } from './json.js'
import type { Provenance } from './provenance.js'
import type { Axis, ResultInit } from './init.js'
import { Ranking } from './ranking.js'
import { readResult, resultFormat, resultHeader, resultJson } from './result-json.js'
import { resultTable } from './result-table.js'
import { axisColumns, floatColumn, type Rows } from './rows.js'
import type { Table } from '../table/table.js'
import { visibleToken } from '../table/token-text.js'
import { writeResult } from './write-result.js'

export type { Axis, ResultInit } from './init.js'
export type { Ranked, Ranking } from './ranking.js'

/** How an axis is taken out: each line of values along it becomes one number. */
export interface Reduction {
  readonly axis: string
  toOne(values: Float32Array): number
}

/**
 * Plain data: no live tensors, never changed. What an analysis adds to its numbers lies in `extra`; a class of its own
 * gives that a type and names, and reloads from its files as that class.
 *
 * @example
 * class ReconstructionLoss extends Result<{ readonly lossRecovered: number }> {
 *   static override readonly format = 'tfjs-lens-reconstruction-loss'
 *   static readonly extraSchema = z.object({ lossRecovered: numberField })
 *   static override fromJSON(value: unknown): ReconstructionLoss {
 *     return new ReconstructionLoss(readResult(value, ReconstructionLoss))
 *   }
 *   get lossRecovered(): number {
 *     return this.extra.lossRecovered
 *   }
 * }
 */
export class Result<Extra extends JsonObject = JsonObject> {
  /** The name of the class in files. */
  static readonly format: string = resultFormat
  readonly kind: string
  readonly title: string
  readonly unit: string
  readonly values: Float32Array
  readonly axes: readonly Axis[]
  readonly provenance: Provenance
  readonly notes: readonly string[]
  readonly extra: Extra

  /** @throws ShapeError when there is not one value for each combination of labels, ArgumentError of a repeated axis. */
  constructor(init: ResultInit<Extra>) {
    this.kind = init.kind
    this.title = init.title
    this.unit = init.unit
    this.values = init.values
    this.axes = init.axes
    this.provenance = init.provenance
    this.notes = init.notes ?? []
    this.extra = init.extra ?? ({} as Extra)
    const names = this.axes.map((axis) => axis.name)
    const repeated = names.find((name, i) => names.indexOf(name) !== i)
    if (repeated !== undefined) throw new ArgumentError(`Result: two axes are named '${repeated}'. Name each its own.`)
    const size = sizeOf(this.shape)
    if (this.values.length === size) return
    const shape = `[${names.map((name, i) => `${name} ${this.shape[i]}`).join(', ')}]`
    throw new ShapeError(`Result: there are ${this.values.length} values. Axes ${shape} need ${size}.`)
  }

  /** Number of places on each axis; [] for a single number. */
  get shape(): number[] {
    return this.axes.map((axis) => axis.labels.length)
  }

  /**
   * The value of a result that has a single one, such as the mean over all axes.
   * @throws ArgumentError when there are several
   */
  get value(): number {
    if (this.values.length === 1) return this.values[0]!
    const axes = this.axes.map(({ name }) => name).join(', ')
    throw new ArgumentError(
      `value: there are ${this.values.length} values (axes ${axes}). Take mean, sum or select first, or use at.`,
    )
  }

  /**
   * One value, by a position (from the end when negative) or label on each axis.
   * @throws ArgumentError of a wrong number of indices, a position out of range, an unknown or ambiguous label.
   */
  at(...index: (number | string)[]): number {
    if (index.length !== this.axes.length) {
      const names = this.axes.map((axis) => axis.name).join(', ')
      throw new ArgumentError(`at: got ${index.length} indices. Give ${this.axes.length}, one an axis (${names}).`)
    }
    const offset = this.axes.reduce((sum, axis, i) => sum * axis.labels.length + position('at', axis, index[i]!), 0)
    return this.values[offset]!
  }

  /** The mean over an axis, which is then gone; a NaN anywhere makes it NaN. @throws ArgumentError of an unknown axis. */
  mean(axis: string): Result {
    const count = this.axes[this.#axisNumber('mean', axis)]!.labels.length
    return this.#reduce(axis, `mean over ${axis}`, (values) => total(values) / count)
  }

  /** The sum over an axis, which is then gone; a NaN anywhere makes it NaN. @throws ArgumentError of an unknown axis. */
  sum(axis: string): Result {
    this.#axisNumber('sum', axis)
    return this.#reduce(axis, `sum over ${axis}`, total)
  }

  /** The values at one place of an axis, which is then gone. @throws ArgumentError of an unknown axis or place. */
  select(axis: string, which: number | string): Result {
    const chosen = this.axes[this.#axisNumber('select', axis)]!
    const place = position('select', chosen, which)
    return this.#reduce(axis, `${axis} ${visibleToken(chosen.labels[place]!)}`, (values) => values[place]!)
  }

  /**
   * The k values that rank first (fewer when there are fewer), NaN never among them; the earlier of equals first.
   * They are a list, and print as a table: `result.top(6).print()`.
   * @throws ArgumentError when k is not a whole number from 0.
   */
  top(k: number, options: { by?: 'magnitude' | 'largest' | 'smallest' } = {}): Ranking {
    if (!Number.isInteger(k) || k < 0) throw new ArgumentError(`top: k is ${k}. It must be a whole number, at least 0.`)
    const score = ranking[options.by ?? 'magnitude']
    const offsets = Array.from(this.values.keys()).filter((i) => !Number.isNaN(this.values[i]))
    offsets.sort((a, b) => score(this.values[b]!) - score(this.values[a]!) || a - b)
    const places = offsets.slice(0, k).map((offset) => {
      const index = this.#index(offset)
      return { labels: index.map((place, i) => this.axes[i]!.labels[place]!), index, value: this.values[offset]! }
    })
    const { title, unit, axes } = this
    return new Ranking(places, { title, unit, axes, count: offsets.length })
  }

  /**
   * The values as a table: one axis or many, a row a value; two axes of which one is short, a row a label.
   * @param options.limit rows shown at most, the rest counted below (default 20)
   * @param options.digits digits after the decimal point (default as many as show four of the largest)
   */
  toTable(options: { limit?: number; digits?: number } = {}): Table {
    return resultTable(this, options)
  }

  /** Title, table, notes and the model it comes from. */
  toString(): string {
    const { model, backend, library } = this.provenance
    const lines = [...this.notes.map((note) => `Note: ${note}`), dim(`${model}, ${backend}, ${library}`)]
    return [this.toTable().toString(), ...lines].join('\n')
  }

  /** Writes the result to stdout. */
  print(): void {
    console.log(this.toString())
  }

  /** Plain JSON with a format version; NaN becomes null, the infinities their names. All come back exactly, but for −0. */
  toJSON(): JsonObject {
    return resultJson(this, (this.constructor as typeof Result).format)
  }

  /** The result that `toJSON` was called on. @throws FileError when the value is no such JSON. */
  static fromJSON(value: unknown): Result {
    return new Result(readResult(value, Result))
  }

  /** Long format: a column for each axis and one named "value", a row for each value. */
  toCsv(): string {
    return csvOf(this.toRows())
  }

  /** The rows of CSV and Parquet files. */
  toRows(): Rows {
    const columns = [...axisColumns(this.axes), floatColumn('value', this.values)]
    return {
      columns,
      length: this.values.length,
      header: resultHeader(this, (this.constructor as typeof Result).format),
    }
  }

  /**
   * Writes the result to a file, by its name: `.json` and `.parquet` hold all of it and reload, `.csv` the values.
   * @throws ArgumentError of another ending, FileError when it cannot be written
   */
  async write(path: string): Promise<void> {
    await writeResult(path, this)
  }

  /**
   * One axis: bars. Two: a heat map, the first axis downwards. Three: a heat map of the mean over the last one.
   * @throws ArgumentError of more axes.
   */
  plot(): Figure {
    const [first, second] = this.axes
    if (this.axes.length > 3) {
      const names = this.axes.map((axis) => axis.name).join(', ')
      throw new ArgumentError(`plot: the result has ${this.axes.length} axes (${names}). Select or average down to 3.`)
    }
    if (this.axes.length === 3) return this.mean(this.axes[2]!.name).plot()
    const titles = { title: this.title, unit: this.unit }
    if (!second) return bars({ ...titles, y: this.values, labels: first?.labels ?? [''], xTitle: first?.name })
    const columns = second.labels.length
    const z = first!.labels.map((_, row) => this.values.subarray(row * columns, (row + 1) * columns))
    return heatmap({ ...titles, z, x: second.labels, y: first!.labels, xTitle: second.name, yTitle: first!.name })
  }

  /** What Node prints for the result, in the REPL and in console.log. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  #axisNumber(verb: string, name: string): number {
    const names = this.axes.map((axis) => axis.name)
    const found = names.indexOf(name)
    if (found >= 0) return found
    const known = names.length > 0 ? `The axes are ${names.join(', ')}.` : 'It has none left.'
    throw new ArgumentError(`${verb}: the result has no axis '${name}'.${didYouMean(name, names)} ${known}`)
  }

  /** The result without an axis, each line of values along it made one number. */
  #reduce(axis: string, how: string, toOne: (values: Float32Array) => number): Result {
    const number = this.#axisNumber('reduce', axis)
    const count = this.axes[number]!.labels.length
    const inner = sizeOf(this.shape.slice(number + 1))
    const axes = this.axes.filter((_, i) => i !== number)
    const line = new Float32Array(count)
    const values = new Float32Array(sizeOf(axes.map(({ labels }) => labels.length))).map((_, i) => {
      const start = Math.floor(i / inner) * inner * count + (i % inner)
      for (let place = 0; place < count; place++) line[place] = this.values[start + place * inner]!
      return toOne(line)
    })
    const { kind, unit, provenance, notes } = this
    const init = { kind, title: `${this.title}, ${how}`, unit, values, axes, provenance, notes }
    return this.derived(init, { axis, toOne })
  }

  /** What is left without an axis; a class with numbers of its own along it overrides this, to keep them. */
  protected derived(init: ResultInit, _how: Reduction): Result {
    return new Result(init)
  }

  /** The position on each axis of the value at an offset. */
  #index(offset: number): number[] {
    const index: number[] = []
    for (const size of this.shape.reverse()) {
      index.unshift(offset % size)
      offset = Math.floor(offset / size)
    }
    return index
  }
}

const ranking = {
  magnitude: Math.abs,
  largest: (value: number) => value,
  smallest: (value: number) => -value,
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** Summed in float64. */
function total(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0)
}

/** Where a position or label stands on an axis. */
function position(verb: string, axis: Axis, which: number | string): number {
  const { name, labels } = axis
  if (typeof which === 'number') {
    const place = which < 0 ? which + labels.length : which
    if (Number.isInteger(place) && place >= 0 && place < labels.length) return place
    throw new ArgumentError(`${verb}: axis '${name}' has no position ${which}. It has ${labels.length}, from 0.`)
  }
  const place = labels.indexOf(which)
  if (place < 0) {
    const hint = didYouMean(which, labels) || ` Its first label is '${labels[0] ?? ''}'.`
    throw new ArgumentError(`${verb}: axis '${name}' has no label '${which}'.${hint}`)
  }
  const places = labels.flatMap((label, i) => (label === which ? [i] : []))
  if (places.length === 1) return place
  throw new ArgumentError(
    `${verb}: label '${which}' stands ${places.length} times on axis '${name}'. Give a position: ${places.join(', ')}.`,
  )
}
