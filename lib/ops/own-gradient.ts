/** Ops in two forms, as a graph and op by op, with a backward pass of their own in the same two forms. */
import * as tf from '@tensorflow/tfjs'
import { runGraph, type BuildGraph } from './native-graph.js'

/** One computation, said twice. */
export interface Forms {
  /** Equal keys and as many inputs, equal graphs. */
  readonly key: string
  /** For the native backend. */
  readonly graph: BuildGraph
  /** For all others: op by op. */
  readonly plain: (...inputs: tf.Tensor[]) => tf.Tensor[]
}

export interface OwnGradient {
  /** Of inputs and constants. Its first output is the op's value. */
  readonly forward: Forms
  /** Of what was saved and the gradient by the value: the gradients by the inputs. */
  readonly back: Forms
  readonly saves: 'inputs' | 'outputs' | 'constants'
}

/** The value of an op, differentiable in the inputs. */
export function differentiable(
  { forward, back, saves }: OwnGradient,
  inputs: readonly tf.Tensor[],
  constants: readonly tf.Tensor[] = [],
): tf.Tensor {
  if (!isTaped()) {
    const [value, ...others] = compute(forward, [...inputs, ...constants])
    tf.dispose(others)
    return value!
  }
  return tf.customGrad((...args) => {
    const given = args.slice(0, -1) as tf.Tensor[]
    const outputs = compute(forward, [...given, ...constants])
    ;(args.at(-1) as tf.GradSaveFunc)([...{ inputs: given, outputs, constants }[saves]])
    return {
      value: outputs[0]!,
      gradFunc: (dy, saved) => compute(back, [...(saved as tf.Tensor[]), dy as tf.Tensor]),
    }
  })(...inputs)
}

/**
 * What an op gives, without a gradient: the caller owns it. In a tidy where it is several ops: tfjs keeps what a backward
 * pass leaves behind until the whole has ended.
 */
export function compute({ key, graph, plain }: Forms, inputs: readonly tf.Tensor[]): tf.Tensor[] {
  return runGraph(key, graph, inputs) ?? tf.tidy(() => plain(...inputs))
}

/** Whether a gradient is being taken. Where none is, what a backward pass would need is not worth its keeping. */
export function isTaped(): boolean {
  return tf.engine().state.gradientDepth > 0
}
