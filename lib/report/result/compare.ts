/** Two results of one kind side by side: what both have, matched by label. */
import { ArgumentError, MismatchError } from '../../errors/errors.js'
import { fewNames } from '../../errors/brief.js'
import { Comparison, type Unshared } from './comparison.js'
import type { JsonObject } from './json.js'
import { Result, type Axis } from './result.js'

/** A result, or what has its numbers as one, as the classes of the analyses do. */
export type Comparable = Result | { toResult(): Result }

export interface CompareOptions {
  /** What the two are called in tables and figures. @default ['a', 'b'] */
  readonly names?: readonly [string, string]
}

/**
 * The two results at the places that both have. Axes are matched by name, in any order, and places by label; of a label
 * that stands several times the first is matched with the first, the second with the second. What only one of them has
 * is told in `unshared` and in the notes. Differences are b − a.
 * @throws MismatchError when the results are of two kinds, have other axes, or share no label of an axis
 */
export function compare(a: Comparable, b: Comparable, options: CompareOptions = {}): Comparison {
  const [first, second] = [asResult(a), asResult(b)]
  if (first.kind !== second.kind) {
    throw new MismatchError(
      `compare: the results are of the kinds '${first.kind}' and '${second.kind}'. Give two of one kind.`,
    )
  }
  const order = axisOrder(first, second)
  const matched = first.axes.map((axis, i) => matchLabels(axis, second.axes[order[i]!]!))
  const axes = matched.map(({ name, labels }) => ({ name, labels }))
  const unshared = matched.flatMap(({ name, onlyA, onlyB }): Unshared[] =>
    onlyA.length + onlyB.length > 0 ? [{ axis: name, a: onlyA, b: onlyB }] : [],
  )
  const part = (result: Result, axisOf: readonly number[], places: readonly (readonly number[])[]) =>
    new Result({ ...result, axes, extra: settingsOf(result), values: pick(result, axisOf, places) })
  return new Comparison({
    a: part(first, first.axes.map((_, i) => i), matched.map(({ inA }) => inA)), // prettier-ignore
    b: part(second, order, matched.map(({ inB }) => inB)), // prettier-ignore
    names: options.names ?? ['a', 'b'],
    unshared,
  })
}

/** What of `extra` holds for a part of the result as well. */
function settingsOf({ extra }: Result): JsonObject {
  return Object.fromEntries(Object.entries(extra).filter(([, value]) => typeof value !== 'object'))
}

function asResult(value: Comparable): Result {
  if (value instanceof Result) return value
  if (typeof value === 'object' && value !== null && typeof value.toResult === 'function') return value.toResult()
  const what = typeof value === 'object' && value !== null ? (value as object).constructor.name : String(value)
  throw new ArgumentError(`compare: a ${what} holds no result. Give a Result, or what an analysis returned.`)
}

/** For each axis of a, which of b's is the same. */
function axisOrder(a: Result, b: Result): number[] {
  const [names, others] = [a, b].map(({ axes }) => axes.map(({ name }) => name)) as [string[], string[]]
  const order = names.map((name) => others.indexOf(name))
  if (names.length === others.length && !order.includes(-1)) return order
  const list = (all: readonly string[]) => (all.length > 0 ? fewNames(all) : 'none')
  throw new MismatchError(
    `compare: the axes are ${list(names)} and ${list(others)}. Take mean, sum or select of one until they are the same.`,
  )
}

interface Matched {
  readonly name: string
  readonly labels: readonly string[]
  /** Where each shared label stands on the axis of a and of b. */
  readonly inA: readonly number[]
  readonly inB: readonly number[]
  readonly onlyA: readonly string[]
  readonly onlyB: readonly string[]
}

function matchLabels({ name, labels }: Axis, other: Axis): Matched {
  const places = new Map<string, number[]>()
  for (const [place, label] of other.labels.entries()) {
    const known = places.get(label)
    if (known) known.push(place)
    else places.set(label, [place])
  }
  const [inA, inB, onlyA] = [[] as number[], [] as number[], [] as string[]]
  const used = new Map<string, number>()
  for (const [place, label] of labels.entries()) {
    const before = used.get(label) ?? 0
    const match = places.get(label)?.[before]
    if (match === undefined) onlyA.push(label)
    else {
      used.set(label, before + 1)
      inA.push(place)
      inB.push(match)
    }
  }
  if (inA.length === 0 && labels.length + other.labels.length > 0) {
    throw new MismatchError(
      `compare: axis '${name}' has no label in both: ${fewNames(labels, 3)}, and ${fewNames(other.labels, 3)}. Compare results with places in common.`,
    )
  }
  const taken = new Set(inB)
  const onlyB = other.labels.filter((_, place) => !taken.has(place))
  return { name, labels: inA.map((place) => labels[place]!), inA, inB, onlyA, onlyB }
}

/** The values at some places of each axis, in the order of those. @param axisOf which axis of the result each is */
function pick(result: Result, axisOf: readonly number[], places: readonly (readonly number[])[]): Float32Array {
  const { shape, values } = result
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((size, length) => size * length, 1))
  const picked = new Float32Array(places.reduce((size, { length }) => size * length, 1))
  let next = 0
  const from = (axis: number, offset: number): void => {
    if (axis === places.length) picked[next++] = values[offset]!
    else for (const place of places[axis]!) from(axis + 1, offset + place * strides[axisOf[axis]!]!)
  }
  from(0, 0)
  return picked
}
