/**
 * Integrated gradients: the points of a path at which gradients are taken. Sundararajan et al. 2017, arXiv:1703.01365.
 */
import { ArgumentError } from '../../lib/errors/errors.js'

/** @throws ArgumentError for a number of steps that is none */
export function checkSteps(name: string, steps: number | undefined): void {
  if (steps === undefined || (Number.isInteger(steps) && steps >= 1)) return
  throw new ArgumentError(`${name}: steps is ${String(steps)}. It must be a whole number, at least 1.`)
}

/** Shares of the way: the middles of equal steps; 0, the start, without any. */
export function midpoints(steps: number | undefined): number[] {
  return steps === undefined ? [0] : Array.from({ length: steps }, (_, k) => (k + 0.5) / steps)
}
