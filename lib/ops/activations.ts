/** Activation functions, any shape. */
import * as tf from '@tensorflow/tfjs'
import { geluNew } from './gelu.js'
import { differentiable } from './custom-gradient.js'
import { defineOp, type Names } from './op.js'

/** From numbers to numbers, each by itself. */
export type Activation = <T extends tf.Tensor>(x: T) => T

/** ½x(1 + erf(x/√2)), the exact GELU. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => x.mul(x.div(Math.SQRT2).erf().add(1).mul(0.5))) as T
}

/** x σ(x). Elfwing et al. 2017, arXiv:1702.03118. */
export function silu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => x.mul(x.sigmoid())) as T
}

/** x · softmax(x) over the last axis. Elhage et al. 2022, Softmax Linear Units. */
export function solu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => x.mul(tf.softmax(x))) as T
}

/** cap · tanh(x / cap): keeps logits between −cap and cap. Gemma team 2024, arXiv:2408.00118. */
export function softCap<T extends tf.Tensor>(x: T, cap: number): T {
  const op = {
    forward: softCapOp({ cap }),
    backward: softCapBackward({ cap }),
    saves: ({ y }: { readonly y: tf.Tensor }) => ({ y }),
  }
  return differentiable(op, { x }) as T
}

const softCapOp = defineOp<Names<'x'>, Names<'y'>, { cap: number }>('soft cap', ({ cap }) => ({
  opByOp: ({ x }) => ({ y: x.div(cap).tanh().mul(cap) }),
  graph: (g, { x }) => ({
    y: g.node('Mul', [g.node('Tanh', [g.node('RealDiv', [x, g.scalar(cap)])]), g.scalar(cap)]),
  }),
}))

/** d/dx cap · tanh(x / cap) = 1 − (y / cap)². */
const softCapBackward = defineOp<Names<'y' | 'dy'>, Names<'x'>, { cap: number }>('soft cap, backward', ({ cap }) => ({
  opByOp: ({ y, dy }) => ({ x: dy.mul(tf.sub(1, y.div(cap).square())) }),
  graph: (g, { y, dy }) => ({ x: g.node('TanhGrad', [g.node('RealDiv', [y, g.scalar(cap)]), dy]) }),
}))

/** Activation functions by the names that configs give them. */
export const activations = {
  gelu,
  gelu_new: geluNew,
  gelu_pytorch_tanh: geluNew, // another name of the same function
  gelu_fast: geluNew, // and a third
  silu,
  relu: <T extends tf.Tensor>(x: T): T => x.relu(),
} as const satisfies Record<string, Activation>

export type ActivationName = keyof typeof activations
export const activationNames = Object.keys(activations) as ActivationName[]
