/** Runs that end early: what follows the last point that is wanted is never computed. */
import type * as tf from '@tensorflow/tfjs'
import type { At } from './at.js'

/** Unwinds a pass that has reached all of its points. No error: `runUntil` catches it. */
class Ended extends Error {}

/** When a pass ends. */
export interface Until {
  /** The points that must have fired. */
  readonly names: Iterable<string>
  /** Is told of each that is reached, and of its value after all that acts there. The value is the pass's. */
  readonly reached?: (name: string, value: tf.Tensor) => void
}

/**
 * Runs a pass that ends once all of these points have fired, in the middle of a block where that is. They fire for `at`
 * as usual.
 * @param until undefined for the whole pass
 * @param pass is given the `at` to run with
 * @returns what the pass returns, undefined where it ended before
 */
export function runUntil<T>(until: Until | undefined, at: At, pass: (at: At) => T): T | undefined {
  if (until === undefined) return pass(at)
  const ended = new Ended()
  const left = new Set(until.names)
  const reach = (name: string, value: tf.Tensor) => {
    if (!left.delete(name)) return
    until.reached?.(name, value)
    if (left.size === 0) throw ended
  }
  try {
    return pass(ending(at, { prefix: '', left, reach }))
  } catch (error) {
    if (error === ended) return undefined
    throw error
  }
}

interface Ending {
  readonly prefix: string
  readonly left: ReadonlySet<string>
  readonly reach: (name: string, value: tf.Tensor) => void
}

function ending(at: At, { prefix, left, reach }: Ending): At {
  const isLeft = (name: string) => left.has(prefix + name)
  const isAnyLeft = () => [...left].some((name) => name.startsWith(prefix))
  const through = <T extends tf.Tensor>(name: string, x: T | (() => T)): T => {
    const value = at(name, x)
    reach(prefix + name, value)
    return value
  }
  return Object.assign(through, {
    observed: (...names: string[]) => at.observed(...names) || (names.length > 0 ? names.some(isLeft) : isAnyLeft()),
    replaces: (...names: string[]) => at.replaces(...names),
    under: (more: string) => ending(at.under(more), { prefix: `${prefix}${more}.`, left, reach }),
  })
}
