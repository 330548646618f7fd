/**
 * Ops in two forms: as a graph for the native backend, and op by op for all others. What identifies an op is made from
 * the parameters that both forms are built of, never written by hand next to them.
 */
import * as tf from '@tensorflow/tfjs'
import type { GraphText, Node } from '../backend/native/graph-text.js'
import { runGraph, type BuildGraph, type ByName } from '../backend/native/graph.js'

/** Names of inputs or outputs: `Names<'x' | 'W', 'b'>` are x and W, and perhaps b. */
export type Names<Always extends string, Perhaps extends string = never> = { [N in Always]: unknown } & {
  [N in Perhaps]?: unknown
}

/** Tensors, or nodes of a graph, by these names. */
export type Named<N, V> = { readonly [Name in keyof N]: V }

/** A computation from inputs I to outputs O. */
export interface Op<I, O> {
  /** Identifies it: equal keys, equal computations. */
  readonly key: string
  readonly graph: (g: GraphText, inputs: Named<I, Node>) => Named<O, Node>
  readonly opByOp: (inputs: Named<I, tf.Tensor>) => Named<O, tf.Tensor>
}

type Parameter = number | boolean | string | undefined | AnyOp | readonly Parameter[]
type Parameters = { readonly [name: string]: Parameter }
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- an op of any inputs and outputs
type AnyOp = Op<any, any>

/** Names of the ops that were defined: two of one name would be taken for one another. */
const defined = new Set<string>()

/**
 * Defines an op, or a family of ops that differ by parameters. The forms are built of the parameters alone (and of
 * constants of the module): define ops at the top level of a file, where nothing else can be captured.
 *
 * @example
 * const scaled = defineOp<Names<'x'>, Names<'y'>, { by: number }>('scaled', ({ by }) => ({
 *   graph: (g, { x }) => ({ y: g.node('Mul', [x, g.scalar(by)]) }),
 *   opByOp: ({ x }) => ({ y: x.mul(by) }),
 * }))
 * const { y } = compute(scaled({ by: 2 }), { x })
 */
export function defineOp<I, O, P extends Parameters = Record<never, never>>(
  name: string,
  forms: (parameters: P) => Omit<Op<I, O>, 'key'>,
): (parameters: P) => Op<I, O> {
  if (defined.has(name)) throw new Error(`defineOp: there is an op '${name}' already`)
  defined.add(name)
  const made = new Map<string, Op<I, O>>()
  return (parameters) => {
    const key = `${name}(${keyOf(parameters)})`
    let op = made.get(key)
    if (!op) made.set(key, (op = { key, ...forms(parameters) }))
    return op
  }
}

function keyOf(parameters: Parameters): string {
  let key = ''
  for (const name in parameters) key += `${key === '' ? '' : ', '}${name}: ${text(parameters[name])}`
  return key
}

function text(value: Parameter): string {
  if (Array.isArray(value)) return `[${(value as readonly Parameter[]).map(text).join()}]`
  return typeof value === 'object' ? (value as AnyOp).key : String(value)
}

/** Makes an op's outputs of its inputs: tensors of tensors, or nodes of nodes. */
export type Run<V> = <I, O>(op: Op<I, O>, inputs: Named<I, V>) => Named<O, V>

/**
 * Defines an op as a chain of others, said once for both forms. Its graph also computes those outputs of the others that
 * the chain has no use for: TensorFlow rewrites what nobody asks for, and the last digits would differ from those of the
 * others one by one.
 */
export function defineChain<I, O, P extends Parameters = Record<never, never>>(
  name: string,
  chain: (parameters: P) => <V>(run: Run<V>, inputs: Named<I, V>) => Named<O, V>,
): (parameters: P) => Op<I, O> {
  return defineOp<I, O, P>(name, (parameters) => {
    const body = chain(parameters)
    return {
      opByOp: (inputs) => body<tf.Tensor>((op, own) => op.opByOp(own), inputs),
      graph: (g, inputs) =>
        body<Node>((op, own) => {
          const outputs = op.graph(g, own)
          g.alsoCompute(Object.values<Node>(outputs).slice(1))
          return outputs
        }, inputs),
    }
  })
}

/**
 * What an op gives, without a gradient: the caller owns it. tfjs keeps what single ops leave until the tidy around them
 * ends, so they have one of their own.
 */
export function compute<I, O>(op: Op<I, O>, inputs: Named<I, tf.Tensor>): Named<O, tf.Tensor> {
  const outputs = runGraph(op.key, op.graph as unknown as BuildGraph, inputs as ByName<tf.Tensor>)
  return (outputs ?? tf.tidy(() => op.opByOp(inputs) as tf.TensorContainerObject)) as Named<O, tf.Tensor>
}

/** Its first output alone. */
export function computeFirst<I, O>(op: Op<I, O>, inputs: Named<I, tf.Tensor>): tf.Tensor {
  const [first, ...others] = Object.values<tf.Tensor>(compute(op, inputs))
  if (!first) throw new Error(`computeFirst: ${op.key} has no output`)
  tf.dispose(others)
  return first
}
