/** Numbers against numbers, each within a tolerance that has a reason. */
import * as tf from '@tensorflow/tfjs'
import { expect } from 'chai'

/** |difference| ≤ atol + rtol · |expected|. */
export interface Tolerance {
  readonly atol: number
  readonly rtol: number
}

/** Every tolerance of the specs, with its reason. */
export const tolerances = {
  /**
   * Recorded by torch in float32 on the pocket model; two float32 runs differ by about 2e-5 there
   * (models/pocket/CARD.md).
   */
  pocket: 2e-4,
  /** What spec/reference/saes/expected.json asks for under `sae/`: float32 against float32. */
  saes: { atol: 1e-4, rtol: 1e-4 },
  /**
   * The same number in exact arithmetic, from float32 sums in another order: about 1e-7 of the terms' size, which is up
   * to 30 in the pocket model's logits, through four layers and sums of a thousand terms.
   */
  noise: 1e-4,
  /** One float32 layer against float64, relative to numbers of size 1 to 10: a few units in the last place. */
  layer: { atol: 1e-5, rtol: 1e-5 },
  /** One op on numbers of size 1 against float64: float32 has 6e-8, a kernel's exp or tanh a few of those. */
  op: { atol: 1e-6, rtol: 2e-6 },
  /** The same number twice from the tiny GPT-2 (2 layers, d_model 12, logits below 15), summed in another order. */
  tiny: 2e-5,
  /**
   * A gradient against differences of fourth order over steps of 0.02: rounding of the metric, some 1e-6, over the
   * step; the left-out terms are smaller. A gradient that misses a path is off by a tenth and more.
   */
  derivative: { atol: 4e-4, rtol: 2e-3 },
} as const satisfies Record<string, number | Tolerance>

/**
 * Fails, with the place and both numbers, when a number lies farther off than the tolerance, or is NaN on one side
 * only.
 */
export function expectClose(
  actual: ArrayLike<number> | tf.Tensor,
  expected: ArrayLike<number> | tf.Tensor,
  tolerance: number | Tolerance,
  what = 'numbers',
): void {
  const [a, e] = [numbersOf(actual), numbersOf(expected)]
  expect(a.length, `${what}: how many`).to.equal(e.length)
  const { atol, rtol } = typeof tolerance === 'number' ? { atol: tolerance, rtol: 0 } : tolerance
  let worst = -1
  let excess = 0
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], e[i])) continue
    const over = Math.abs(a[i]! - e[i]!) - (atol + rtol * Math.abs(e[i]!))
    if (over <= excess) continue
    ;[worst, excess] = [i, Number.isNaN(over) ? Infinity : over]
  }
  if (worst < 0) return
  const off = Math.abs(a[worst]! - e[worst]!)
  expect.fail(
    `${what}: entry ${worst} of ${a.length} is ${a[worst]}, expected ${e[worst]} within ${atol} + ${rtol}·|e|: ` +
      `off by ${off}, the largest difference is ${maxDifference(a, e)}`,
  )
}

/** The largest distance between two lists of numbers of one length. */
export function maxDifference(a: ArrayLike<number> | tf.Tensor, b: ArrayLike<number> | tf.Tensor): number {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  expect(left.length).to.equal(right.length)
  return Array.from(left).reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0)
}

function numbersOf(x: ArrayLike<number> | tf.Tensor): ArrayLike<number> {
  return x instanceof tf.Tensor ? (x.dataSync() as ArrayLike<number>) : x
}
