/** What a job is, and the reading of numbers out of its result. */
import * as tf from '@tensorflow/tfjs'
import type { JsonObject } from '../../lib/report/result/json.js'
import { AGREEMENT, type Check, type Ties } from './agree.js'
import type { Material } from './material.js'

/** What a result is worth: not timed. */
export interface Report {
  /** Sizes of what was done. */
  readonly work: JsonObject
  /** Numbers for the other side to compare. */
  readonly check: Check
  readonly ties?: Ties
  /** Floating point operations of the plain way: the products alone. */
  readonly flops?: number
}

/** A job with everything it needs loaded. `run` alone is timed. */
export interface Prepared<R> {
  run(): R | Promise<R>
  report(result: R): Report
  dispose(result: R): void
}

export type Job = (material: Material) => Promise<Prepared<unknown>>

/** A job of any result; the runner only passes the result from `run` to `report` and `dispose`. */
export function job<R>(prepare: (material: Material) => Promise<Prepared<R>>): Job {
  return prepare as Job
}

/** Reads one number, so that a backend that computes later or elsewhere has finished when the clock stops. */
export function finish(x: tf.Tensor): void {
  const last = x.shape.map((n) => n - 1)
  const ones = x.shape.map(() => 1)
  numbersAt(x, last, ones)
}

/** Numbers of a part of a tensor; `size` −1 is the rest of the axis. */
export function numbersAt(x: tf.Tensor, begin: number[], size: number[]): number[] {
  const part = x.slice(begin, size)
  const values = Array.from(part.dataSync())
  part.dispose()
  return values
}

/** The number that a computation gives. */
export function numberOf(compute: () => tf.Tensor): number {
  const x = tf.tidy(compute)
  const value = x.dataSync()[0]!
  x.dispose()
  return value
}

/** Indices of the `count` largest values, and whether each could change places with another. */
export function largest(values: ArrayLike<number>, count: number, tie: (a: number, b: number) => boolean) {
  const order = Array.from(values, (_, i) => i).sort((a, b) => values[b]! - values[a]!)
  const tied = order.slice(0, count).map((index, place) => {
    const neighbours = [order[place - 1], order[place + 1]].filter((i) => i !== undefined)
    return neighbours.some((i) => tie(values[i]!, values[index]!))
  })
  return { indices: order.slice(0, count), tied }
}

/** Two values of one size that arithmetic of another order may exchange. */
export function relativeTie(a: number, b: number): boolean {
  return Math.abs(a - b) <= AGREEMENT * Math.max(Math.abs(a), Math.abs(b))
}
export function logitTie(a: number, b: number): boolean {
  return Math.abs(a - b) <= AGREEMENT
}
