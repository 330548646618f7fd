/** What `compare` returns: two results on the same axes, their differences and correlations. */
import { z } from 'zod'
import { ArgumentError, FileError } from '../../errors/errors.js'
import { didYouMean } from '../../errors/nearest.js'
import { agreement, finitePairs, type Agreement } from '../../stats/agreement.js'
import { fewNames } from '../../errors/brief.js'
import { scatter, type Figure } from '../figure/figure.js'
import type { JsonObject } from './json.js'
import { formatFor, formatNumber } from '../table/number-text.js'
import { resultDifferences, type Difference } from './differences.js'
import { Result } from './result.js'
import { axisColumns, floatColumn, type Rows } from './rows.js'
import { SavedRecord } from './saved-record.js'
import { readSaved, savedSchema } from './saved.js'
import { Table } from '../table/table.js'
import { shortenMiddle, visibleToken } from '../table/token-text.js'

/** Labels of an axis that only one of the results has. */
export interface Unshared {
  readonly axis: string
  readonly a: readonly string[]
  readonly b: readonly string[]
}

export interface ComparisonInit {
  /** On the same axes. */
  readonly a: Result
  readonly b: Result
  readonly names: readonly [string, string]
  readonly unshared: readonly Unshared[]
}

/** Plain data, never changed. */
export class Comparison extends SavedRecord implements ComparisonInit {
  static readonly format = 'tfjs-lens-comparison'
  readonly a: Result
  readonly b: Result
  readonly names: readonly [string, string]
  readonly unshared: readonly Unshared[]
  /** What the two say of themselves that is not the same: model, weights, library, seed, settings … */
  readonly differences: readonly Difference[]
  /** b − a; 0 between equal infinities. */
  readonly difference: Result
  /** (b − a) / max(|a|, |b|), from −2 to 2: 0 between equal values, ±1 where one is 0, NaN where one is infinite. */
  readonly relative: Result
  /** Over all values. */
  readonly agreement: Agreement

  /** As `compare` and `fromJSON` make it. */
  constructor({ a, b, names, unshared }: ComparisonInit) {
    super()
    ;[this.a, this.b, this.names, this.unshared] = [a, b, names, unshared]
    this.differences = resultDifferences(a, b)
    const made = (what: string, unit: string, of: (x: number, y: number) => number) =>
      new Result({
        kind: `${a.kind}, ${what}`,
        title: `${a.title}: ${what} ${names[1]} − ${names[0]}`,
        unit,
        values: a.values.map((x, i) => of(x, b.values[i]!)),
        axes: a.axes,
        provenance: b.provenance,
        notes: this.notes,
      })
    this.difference = made('difference', a.unit, (x, y) => (x === y ? 0 : y - x))
    this.relative = made('relative difference', '', (x, y) => {
      return x === y ? 0 : (y - x) / Math.max(Math.abs(x), Math.abs(y))
    })
    this.agreement = agreement(a.values, b.values)
  }

  /** What a reader has to know: labels that only one has, values left out, other units. */
  get notes(): string[] {
    const { a, b, names } = this
    const left = a.values.length - finitePairs(a.values, b.values)[0].length
    return [
      ...this.unshared.flatMap((unshared) =>
        (['a', 'b'] as const).flatMap((side, i) => {
          const labels = unshared[side].map(visibleToken)
          return labels.length > 0 ? [`${labels.length} of ${unshared.axis} only in ${names[i]}: ${fewNames(labels)}.`] : [] // prettier-ignore
        }),
      ),
      ...(left > 0 ? [`${left} of ${a.values.length} pairs hold NaN or infinity and do not count in what sums up.`] : []), // prettier-ignore
      ...(a.unit === b.unit ? [] : [`Units differ: ${a.unit || 'none'} and ${b.unit || 'none'}.`]),
    ]
  }

  /**
   * The agreement at each place of an axis, the largest mean change first: of layers, of statistics, of prompts.
   * @throws ArgumentError of an unknown axis
   */
  by(axis: string): Table {
    const number = this.a.axes.findIndex(({ name }) => name === axis)
    if (number < 0) {
      const names = this.a.axes.map(({ name }) => name)
      throw new ArgumentError(`by: there is no axis '${axis}'.${didYouMean(axis, names)} The axes are ${fewNames(names)}.`) // prettier-ignore
    }
    const rows = this.a.axes[number]!.labels.map((label, place) => {
      const [a, b] = [this.a, this.b].map((result) => valuesAt(result, number, place)) as [Float32Array, Float32Array]
      return [visibleToken(label), ...cells(agreement(a, b))]
    })
    rows.sort((x, y) => Number(y[4] ?? -1) - Number(x[4] ?? -1))
    return new Table([axis, ...agreementNames], rows, { title: `${this.title}, by ${axis}` })
  }

  get title(): string {
    return `${this.a.title}: ${this.names.join(' and ')}`
  }

  /** The largest changes, those of NaN or infinity left out. @param options.limit rows (20) */
  toTable({ limit = 20 }: { limit?: number } = {}): Table {
    if (!Number.isInteger(limit) || limit < 0) {
      throw new ArgumentError(`toTable: limit is ${limit}. It must be a whole number from 0.`)
    }
    const { a, b, difference, relative } = this
    const infinite = difference.values.filter((value) => Math.abs(value) === Infinity).length
    const largest = difference.top(limit + infinite).slice(infinite)
    const rows = largest.map(({ labels, index, value }) => {
      return [...labels.map(visibleToken), a.at(...index), b.at(...index), value, relative.at(...index)]
    })
    const more = difference.values.filter(Number.isFinite).length - rows.length
    const format = formatFor(rows.flatMap((row) => row.slice(-4, -1) as number[]))
    const columns = [
      ...a.axes.map(({ name }) => ({ name })),
      ...[...this.names, 'difference'].map((name) => ({ name, format })),
      { name: 'relative', format: { digits: 3, exponent: false } },
    ]
    const note = more > 0 ? `… and ${more} smaller changes` : undefined
    return new Table(columns, rows, { title: `${this.title}${a.unit ? ` (${a.unit})` : ''}`, note })
  }

  /** The largest changes, how the two agree, notes, and what differs where they come from. */
  toString(): string {
    const { pairs, ...rest } = this.agreement
    const numbers = Object.entries(rest).map(([name, value]) => `${words[name as keyof typeof words]} ${shown(value)}`)
    const origin = this.differences.map(({ name, a, b }) => `${name}: ${short(a)} | ${short(b)}`)
    return [
      this.toTable().toString(),
      `${pairs} pairs: ${numbers.join(', ')}`,
      ...this.notes.map((note) => `Note: ${note}`),
      ...(origin.length > 0 ? origin : ['Both come from the same model, weights, settings and library.']),
    ].join('\n')
  }

  /** A point a pair, a across and b upwards, with the line where they are equal. */
  plot(): Figure {
    const { a, b, names } = this
    const columns = axisColumns(a.axes).map(({ cells: of }) => of(0, a.values.length))
    const labels = Array.from(a.values, (_, i) => columns.map((column) => String(column[i])).join(', '))
    const r = this.agreement.pearson
    const title = `${a.title}${Number.isNaN(r) ? '' : `, r = ${shown(r)}`}`
    return scatter({ x: a.values, y: b.values, labels, identityLine: true, xTitle: names[0], yTitle: names[1], title, unit: a.unit }) // prettier-ignore
  }

  /** A row a pair: its labels, both values, their difference and relative difference. */
  toRows(): Rows {
    const { a, b, names, difference, relative } = this
    const values: [string, Result][] = [[names[0], a], [names[1], b], ['difference', difference], ['relative', relative]] // prettier-ignore
    const columns = [...axisColumns(a.axes), ...values.map(([name, result]) => floatColumn(name, result.values))]
    return { columns, length: a.values.length, header: { format: Comparison.format } }
  }

  toJSON(): JsonObject {
    const { a, b, names, unshared } = this
    return { format: Comparison.format, version: 1, names, unshared: unshared.map((one) => ({ ...one })), a: a.toJSON(), b: b.toJSON() } // prettier-ignore
  }

  /** What `toJSON` was called on. @throws FileError when the value is no such JSON */
  static fromJSON(value: unknown): Comparison {
    const { names, unshared, ...rest } = readSaved('Comparison', schema, value)
    const [a, b] = [Result.fromJSON(rest.a), Result.fromJSON(rest.b)]
    if (JSON.stringify(a.axes) !== JSON.stringify(b.axes)) {
      throw new FileError('fromJSON: a and b have other axes. They are two results on the same.')
    }
    return new Comparison({ a, b, names, unshared })
  }
}

const strings = z.array(z.string())
const schema = savedSchema(Comparison.format, {
  names: z.tuple([z.string(), z.string()]),
  unshared: z.array(z.object({ axis: z.string(), a: strings, b: strings })),
  a: z.unknown(),
  b: z.unknown(),
})

const words = {
  pearson: 'Pearson r',
  spearman: 'Spearman ρ',
  meanChange: 'mean change',
  largestChange: 'largest change',
} as const
const agreementNames = ['pairs', ...Object.values(words)]

/** The values at one place of an axis. */
function valuesAt({ values, shape }: Result, axis: number, place: number): Float32Array {
  const inner = shape.slice(axis + 1).reduce((size, length) => size * length, 1)
  const count = shape[axis]!
  const start = (i: number) => (Math.floor(i / inner) * count + place) * inner + (i % inner)
  return Float32Array.from({ length: values.length / count }, (_, i) => values[start(i)]!)
}

function cells({ pairs, ...rest }: Agreement): (number | null)[] {
  return [pairs, ...Object.values(rest).map((value: number) => (Number.isNaN(value) ? null : value))]
}

/** Four digits, or "none". */
function shown(value: number): string {
  return Number.isNaN(value) ? 'none' : formatNumber(value, formatFor([value]))
}

function short(text: string | undefined): string {
  return text === undefined ? 'none' : shortenMiddle(text, 60)
}
