/** Adam (Kingma and Ba 2014, arXiv:1412.6980), its moments in variables that a checkpoint can hold. */
import * as tf from '@tensorflow/tfjs'

/** Which update it is, how far it goes and how long its moments remember. */
export interface AdamOptions {
  /** Counts from 1, for the moments' bias. */
  readonly step: number
  readonly learningRate: number
  readonly beta1: number
  readonly beta2: number
}

const EPSILON = 1e-8

/** A weight and the moments of its gradient, of one shape. */
export interface Parameter {
  readonly value: tf.Variable
  readonly first: tf.Variable
  readonly second: tf.Variable
}

/** A parameter of this value, which has not moved; the tensor stays the caller's. */
export function parameter(value: tf.Tensor): Parameter {
  return tf.tidy(() => ({
    value: tf.variable(value),
    first: tf.variable(tf.zerosLike(value)),
    second: tf.variable(tf.zerosLike(value)),
  }))
}

/** One update by a gradient. Called in a tidy. */
export function adamStep(p: Parameter, gradient: tf.Tensor, options: AdamOptions): void {
  const { step, learningRate, beta1, beta2 } = options
  const first = p.first.mul(beta1).add(gradient.mul(1 - beta1))
  const second = p.second.mul(beta2).add(gradient.square().mul(1 - beta2))
  const size = learningRate / (1 - beta1 ** step)
  const spread = second
    .sqrt()
    .mul(1 / Math.sqrt(1 - beta2 ** step))
    .add(EPSILON)
  p.first.assign(first)
  p.second.assign(second)
  p.value.assign(p.value.sub(first.div(spread).mul(size)))
}
