/** Ops with a backward pass of their own: one op each way, where tfjs would record and differentiate many. */
import * as tf from '@tensorflow/tfjs'
import { compute, computeFirst, type Named, type Op } from './op.js'

/** An op whose first output is its value, and the op that gives the gradients by its inputs, named as these. */
export interface DifferentiableOp<I, C, O, B> {
  readonly forward: Op<I & C, O>
  /** Of what was saved and `dy`, the gradient by the value. */
  readonly backward: Op<B, I>
  /** What the backward pass needs. What it does not need is freed early. */
  readonly saves: (all: Named<I & C & O, tf.Tensor>) => Named<Omit<B, 'dy'>, tf.Tensor>
}

/** The value of an op, differentiable in its inputs; constants have no gradient. */
export function differentiable<I, C, O, B>(
  op: DifferentiableOp<I, C, O, B>,
  inputs: Named<I, tf.Tensor>,
  constants: Named<C, tf.Tensor> = {} as Named<C, tf.Tensor>,
): tf.Tensor {
  const { forward, backward, saves } = op
  if (!isRecordingGradients()) return computeFirst(forward, { ...inputs, ...constants })
  const names = Object.keys(inputs) as (keyof I & string)[]
  return tf.customGrad((...args) => {
    const save = args[names.length] as tf.GradSaveFunc
    const given = Object.fromEntries(names.map((name, i) => [name, args[i]])) as Named<I, tf.Tensor>
    const all = { ...given, ...constants }
    const outputs = compute(forward, all)
    const saved = Object.entries<tf.Tensor>(saves({ ...all, ...outputs } as Named<I & C & O, tf.Tensor>))
    save(saved.map(([, tensor]) => tensor))
    const [value] = Object.values<tf.Tensor>(outputs)
    return {
      value: value as tf.Tensor,
      gradFunc: (dy, tensors) => {
        const kept = saved.map(([name], i) => [name, (tensors as tf.Tensor[])[i]])
        const gradients = compute(backward, { ...Object.fromEntries(kept), dy } as Named<B, tf.Tensor>)
        return names.map((name) => gradients[name])
      },
    }
  })(...names.map((name) => inputs[name]))
}

/** Whether a gradient is being taken. Where none is, what a backward pass would need is not worth keeping. */
export function isRecordingGradients(): boolean {
  return tf.engine().state.gradientDepth > 0
}
