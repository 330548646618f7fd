/**
 * Several of TensorFlow's ops as one. A graph is written once and run in a session of the native backend: a run costs
 * what a call of one op costs, a bias joins the product it follows, and an op works in its input's memory where it can.
 * What a graph gives has no gradient: it belongs inside a `tf.customGrad`.
 */
import * as tf from '@tensorflow/tfjs'
import { GraphText, type Node } from './graph-text.js'
import { isNativeCpu } from './ops.js'

/** Tensors, or nodes of a graph, by name. An optional one may be left out or undefined. */
export type ByName<V> = Readonly<{ [name: string]: V | undefined }>

/** From the nodes of the inputs to those of the outputs. */
export type BuildGraph = (g: GraphText, inputs: ByName<Node>) => ByName<Node>

interface Graph {
  readonly session: number
  /** What inputs and outputs are called, in the order of a run. */
  readonly inputs: readonly { readonly name: string }[]
  readonly outputs: readonly string[]
  /** The outputs' nodes, and after them those that are computed although nobody asks for them. */
  readonly nodes: readonly Node[]
}

/** What of tfjs-node's NodeJSKernelBackend is used. */
interface NativeSessions {
  loadSavedModelMetaGraph(folder: string, tags: string): number
  runSavedModel(
    session: number,
    inputs: readonly tf.Tensor[],
    infos: readonly { readonly name: string }[],
    outputs: readonly string[],
  ): tf.Tensor[]
}

/** The graphs of this process by their identity; undefined where one could not be loaded. */
const graphs = new Map<string, Graph | undefined>()

/**
 * The outputs of a graph by name, which the caller owns. Undefined on every backend but the native one's processor, and
 * where no graph can be loaded (no temporary folder to write to): the same is then computed op by op.
 * @param key identifies the graph, together with the names of its inputs. `defineOp` makes it from all that `build` uses.
 */
export function runGraph(
  key: string,
  build: BuildGraph,
  inputs: ByName<tf.Tensor>,
): { [name: string]: tf.Tensor } | undefined {
  if (!isNativeCpu()) return undefined
  const backend = tf.backend() as unknown as NativeSessions
  const names: string[] = []
  const tensors: tf.Tensor[] = []
  for (const name in inputs) {
    const tensor = inputs[name]
    if (tensor === undefined) continue
    names.push(name)
    tensors.push(tensor)
  }
  const identity = `${key} of ${names.join()}`
  let graph = graphs.get(identity)
  if (!graph) {
    if (graphs.has(identity)) return undefined
    graph = load(backend, build, names)
    graphs.set(identity, graph)
    if (!graph) return undefined
  }
  const results = backend.runSavedModel(graph.session, tensors, graph.inputs, graph.nodes)
  const outputs: { [name: string]: tf.Tensor } = {}
  results.forEach((tensor, i) => {
    const name = graph.outputs[i]
    if (name === undefined) tensor.dispose()
    else outputs[name] = tensor
  })
  return outputs
}

function load(backend: NativeSessions, build: BuildGraph, names: readonly string[]): Graph | undefined {
  const g = new GraphText(hasOneDnn(backend))
  const inputs = names.map((name) => ({ name: `in_${name}` }))
  const wanted = Object.entries(build(g, Object.fromEntries(names.map((name) => [name, g.input(`in_${name}`)]))))
  const outputs = wanted.filter((entry): entry is [string, Node] => entry[1] !== undefined)
  const session = open(backend, g)
  if (session === undefined) return undefined
  const nodes = [...new Set([...outputs.map(([, node]) => node), ...g.alsoComputed])]
  return { session, inputs, outputs: outputs.map(([name]) => name), nodes }
}

let oneDnn: boolean | undefined

/** Whether oneDNN's kernels are there: TensorFlow has them in most builds for x86. Asked of a graph of all that are used. */
function hasOneDnn(backend: NativeSessions): boolean {
  return (oneDnn ??= tf.tidy(() => {
    const g = new GraphText(true)
    const [a, b] = [g.input('a'), g.input('b')]
    const outputs = [g.product(a, b), g.products(a, b, {}, true)]
    try {
      const session = open(backend, g)
      const inputs = [tf.ones([1, 1]), tf.ones([1, 1])]
      if (session !== undefined) backend.runSavedModel(session, inputs, [{ name: 'a' }, { name: 'b' }], outputs)
      return session !== undefined
    } catch {
      return false // no such op, or no such kernel
    }
  }))
}

/** A session that runs this graph; undefined where no file can be written, as the backend takes graphs from files alone. */
function open(backend: NativeSessions, g: GraphText): number | undefined {
  const { mkdtempSync, rmSync, writeFileSync } = process.getBuiltinModule('node:fs')
  const { join } = process.getBuiltinModule('node:path')
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(process.getBuiltinModule('node:os').tmpdir(), 'tfjs-lens-'))
    writeFileSync(join(folder, 'saved_model.pbtxt'), g.text())
  } catch {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    return undefined
  }
  try {
    return backend.loadSavedModelMetaGraph(folder, 'serve')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
