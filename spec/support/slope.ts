/** Derivatives from differences, to hold gradients to. */
import * as tf from '@tensorflow/tfjs'
import { random } from '../../lib/stats/random.js'

/** df/dt at 0 from four values of f, with an error of the order of step⁴. */
export function slopeAtZero(f: (t: number) => number, step: number): number {
  return (8 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12 * step)
}

/** Seeded random numbers of mean 0 and variance 1. */
export function normalTensor(shape: number[], seed: number): tf.Tensor {
  const { normal } = random(seed)
  const size = shape.reduce((product, n) => product * n, 1)
  return tf.tensor(
    Float32Array.from({ length: size }, () => normal()),
    shape,
  )
}

/** The sum of products of two tensors' entries, in double precision. */
export function dotProduct(a: tf.Tensor, b: tf.Tensor): number {
  const [left, right] = [a.dataSync(), b.dataSync()]
  return Array.from(left).reduce((sum, value, i) => sum + value * right[i]!, 0)
}
