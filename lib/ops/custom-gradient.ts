/** Ops in two forms, as a graph and op by op, with a backward pass of their own in the same two forms. */
import * as tf from '@tensorflow/tfjs'
import { runGraph, type BuildGraph, type Node } from '../backend/native/graph.js'

/** One computation, said twice. */
export interface Forms {
  /** Equal keys and as many inputs, equal graphs. */
  readonly key: string
  /** For the native backend. */
  readonly graph: BuildGraph
  /** For all others: op by op. */
  readonly plain: (...inputs: tf.Tensor[]) => tf.Tensor[]
}

/** Makes the outputs of a form of its inputs: tensors, or nodes of a graph. */
export type Run<V> = (form: Forms, ...inputs: V[]) => V[]

/**
 * Forms in a row as one, where nobody watches what lies between and no gradient is taken: `body` says it once for both.
 * The graph gives all that its parts give alone, also what `body` has no use for: TensorFlow rewrites what nobody asks
 * for, and the last digits would be others.
 */
export function composed(key: string, body: <V>(run: Run<V>, inputs: V[]) => V[]): Forms {
  return {
    key,
    plain: (...inputs) => body((form, ...own) => form.plain(...own), inputs),
    graph(g, ...inputs) {
      const between: Node[] = []
      const run: Run<Node> = (form, ...own) => {
        const outputs = [form.graph(g, ...own)].flat()
        between.push(...outputs.slice(1))
        return outputs
      }
      return [...new Set([...body(run, inputs), ...between])]
    },
  }
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
  if (!isTaped()) return computeFirst(forward, [...inputs, ...constants])
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

/** Its first output alone. */
export function computeFirst(form: Forms, inputs: readonly tf.Tensor[]): tf.Tensor {
  const [first, ...others] = compute(form, inputs)
  tf.dispose(others)
  return first!
}

/** Whether a gradient is being taken. Where none is, what a backward pass would need is not worth its keeping. */
export function isTaped(): boolean {
  return tf.engine().state.gradientDepth > 0
}
