/**
 * Several of TensorFlow's ops as one. A graph is written once, as the text of a SavedModel, and run in a session of the
 * native backend: a run costs what calling one op costs, a bias joins the product it follows, and an op that may works
 * in its input's memory. What a graph gives has no gradient: it belongs inside a `tf.customGrad`.
 */
import * as tf from '@tensorflow/tfjs'
import { isNativeCpu } from './ops.js'

/** What a node gives, by name: `n4`, or `n4:1` for its second output. */
export type Node = string

/** TensorFlow's names of types. */
const TYPES = {
  float32: 'DT_FLOAT',
  int32: 'DT_INT32',
  int64: 'DT_INT64',
  bool: 'DT_BOOL',
  float16: 'DT_HALF',
  bfloat16: 'DT_BFLOAT16',
} as const

type Attribute = keyof typeof TYPES | boolean | number | { readonly text: string }

/** Marks the kernels of oneDNN. TensorFlow's own rewriting would choose them were it told to; it promises nobody else that they are there. */
const ONE_DNN = { _kernel: { text: 'MklNameChangeOp' } } as const

/** What follows the numbers of a product. */
export interface ProductOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
  /** [N], added to each row of the product [M,N]. */
  readonly bias?: Node | undefined
}

/** The nodes of a graph in the making. */
export class GraphText {
  /** Whether TensorFlow has oneDNN's kernels. */
  readonly oneDnn: boolean
  readonly #nodes: string[] = []

  constructor(oneDnn = false) {
    this.oneDnn = oneDnn
  }

  /** A node of this op; its attributes are those of one on float32 numbers unless others are given. */
  node(op: string, inputs: readonly Node[], attributes: Readonly<Record<string, Attribute>> = { T: 'float32' }): Node {
    return this.#add(op, inputs, Object.entries(attributes).map(attributeText))
  }

  /** A number. */
  scalar(x: number): Node {
    return this.#constant('DT_FLOAT', `tensor_shape {} float_val: ${x}`)
  }

  /** int32 [N]. */
  integers(values: readonly number[]): Node {
    const list = values.map((value) => `int_val: ${value}`).join(' ')
    return this.#constant('DT_INT32', `tensor_shape { dim { size: ${values.length} } } ${list}`)
  }

  /** int32 []: an axis, say. */
  integer(i: number): Node {
    return this.#constant('DT_INT32', `tensor_shape {} int_val: ${i}`)
  }

  /** Sizes of x's axes from `begin` to before `end`, which may count from the last: int32. */
  sizes(x: Node, begin: number, end: number): Node {
    const whole = this.node('Shape', [x], { T: 'float32', out_type: 'int32' })
    const bounds = [begin, end, 1].map((i) => this.integers([i]))
    return this.node('StridedSlice', [whole, ...bounds], { T: 'int32', Index: 'int32' })
  }

  /** A shape out of sizes, int32. */
  shape(...parts: readonly (Node | readonly number[])[]): Node {
    const nodes = parts.map((part) => (typeof part === 'string' ? part : this.integers(part)))
    return this.node('ConcatV2', [...nodes, this.integer(0)], { N: nodes.length, T: 'int32', Tidx: 'int32' })
  }

  reshape(x: Node, shape: Node): Node {
    return this.node('Reshape', [x, shape], { T: 'float32', Tshape: 'int32' })
  }

  /** `large` ones are oneDNN's if it is there, which uses all threads where TensorFlow uses one. */
  transpose(x: Node, axes: readonly number[], large = false): Node {
    const attributes = { T: 'float32', Tperm: 'int32' } as const
    return this.oneDnn && large
      ? this.node('_MklTranspose', [x, this.integers(axes)], { ...attributes, ...ONE_DNN })
      : this.node('Transpose', [x, this.integers(axes)], attributes)
  }

  /** Parts of these widths along the last axis. */
  split(x: Node, widths: readonly number[]): Node[] {
    const attributes = { T: 'float32', Tlen: 'int32', num_split: widths.length } as const
    const parts = this.node('SplitV', [x, this.integers(widths), this.integer(-1)], attributes)
    return widths.map((_, i) => `${parts}:${i}`)
  }

  /** Side by side along an axis. */
  join(parts: readonly Node[], axis = -1): Node {
    return this.node('ConcatV2', [...parts, this.integer(axis)], { N: parts.length, T: 'float32', Tidx: 'int32' })
  }

  /** Of the numbers of the last axis, which stays with one. */
  over(op: 'Mean' | 'Sum', x: Node): Node {
    return this.node(op, [x, this.integers([-1])], { T: 'float32', Tidx: 'int32', keep_dims: true })
  }

  /**
   * a · b of matrices. oneDNN's kernel is up to twice as fast as TensorFlow's own for one row (which packs the matrix if
   * a bias follows), a third faster for a hundred.
   */
  product(a: Node, b: Node, { transposeA = false, transposeB = false, bias }: ProductOptions = {}): Node {
    const attributes = { T: 'float32', transpose_a: transposeA, transpose_b: transposeB } as const
    const product = this.oneDnn
      ? this.node('_MklMatMul', [a, b], { ...attributes, ...ONE_DNN })
      : this.node('MatMul', [a, b], attributes)
    return this.biased(product, bias)
  }

  /** Rows, each with a bias added where there is one. */
  biased(rows: Node, bias: Node | undefined): Node {
    return bias === undefined ? rows : this.node('BiasAdd', [rows, bias])
  }

  /** a · b over the last two axes, one product for each of the others. `large` ones are oneDNN's if it is there. */
  products(a: Node, b: Node, { transposeA = false, transposeB = false }: ProductOptions = {}, large = false): Node {
    const attributes = { T: 'float32', adj_x: transposeA, adj_y: transposeB } as const
    return this.oneDnn && large
      ? this.node('_MklBatchMatMulV2', [a, b], { ...attributes, ...ONE_DNN })
      : this.node('BatchMatMulV2', [a, b], attributes)
  }

  input(name: Node): Node {
    this.#nodes.push(nodeText(name, 'Placeholder', [], [attributeText(['dtype', 'float32'])]))
    return name
  }

  /** The SavedModel. */
  text(): string {
    const graph = `versions { producer: 987 }\n${this.#nodes.join('\n')}`
    return `saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: "serve" } graph_def {\n${graph}\n} }\n`
  }

  #constant(type: string, value: string): Node {
    const attributes = [
      `attr { key: "dtype" value { type: ${type} } }`,
      `attr { key: "value" value { tensor { dtype: ${type} ${value} } } }`,
    ]
    return this.#add('Const', [], attributes)
  }

  #add(op: string, inputs: readonly Node[], attributes: readonly string[]): Node {
    const name = `n${this.#nodes.length}`
    this.#nodes.push(nodeText(name, op, inputs, attributes))
    return name
  }
}

function nodeText(name: string, op: string, inputs: readonly Node[], attributes: readonly string[]): string {
  const from = inputs.map((input) => `input: "${input}"`)
  return `node { name: "${name}" op: "${op}" ${[...from, ...attributes].join(' ')} }`
}

function attributeText([key, value]: [string, Attribute]): string {
  return `attr { key: "${key}" value { ${valueText(value)} } }`
}

function valueText(value: Attribute): string {
  if (typeof value === 'string') return `type: ${TYPES[value]}`
  if (typeof value === 'boolean') return `b: ${value}`
  if (typeof value === 'number') return `i: ${value}`
  return `s: "${value.text}"`
}

/** From the inputs' nodes to those that are wanted. */
export type BuildGraph = (g: GraphText, ...inputs: Node[]) => Node | readonly Node[]

interface Loaded {
  readonly session: number
  readonly outputs: readonly string[]
}

/** What of tfjs-node's NodeJSKernelBackend is used. */
interface NativeSessions {
  loadSavedModelMetaGraph(folder: string, tags: string): number
  runSavedModel(
    session: number,
    inputs: readonly tf.Tensor[],
    infos: readonly { name: string }[],
    outputs: readonly string[],
  ): tf.Tensor[]
}

/** The graphs of this process by their keys; undefined where one could not be loaded. */
const loaded = new Map<string, Loaded | undefined>()

/**
 * The outputs of a graph, which the caller owns. On another backend than the native one's processor undefined, and where
 * no graph can be loaded (no temporary folder to write to): the same is then computed op by op.
 * @param key says which graph: equal keys and as many inputs, equal graphs
 */
export function runGraph(key: string, build: BuildGraph, inputs: readonly tf.Tensor[]): tf.Tensor[] | undefined {
  if (!isNativeCpu()) return undefined
  const backend = tf.backend() as unknown as NativeSessions
  const id = `${key} of ${inputs.length}`
  if (!loaded.has(id)) loaded.set(id, load(backend, build, inputs.length))
  const graph = loaded.get(id)
  return graph && backend.runSavedModel(graph.session, inputs, inputs.map(inputInfo), graph.outputs)
}

const inputInfo = (_: unknown, i: number): { name: string } => ({ name: `x${i}` })

function load(backend: NativeSessions, build: BuildGraph, count: number): Loaded | undefined {
  const g = new GraphText(hasOneDnn(backend))
  const inputs = Array.from({ length: count }, (_, i) => g.input(`x${i}`))
  const outputs = [build(g, ...inputs)].flat()
  const session = open(backend, g)
  return session === undefined ? undefined : { session, outputs }
}

let oneDnn: boolean | undefined

/** Whether oneDNN's kernels are there: TensorFlow has them in most builds for x86. Asked of a graph of all that are used. */
function hasOneDnn(backend: NativeSessions): boolean {
  return (oneDnn ??= tf.tidy(() => {
    const g = new GraphText(true)
    const [a, b] = [g.input('x0'), g.input('x1')]
    const outputs = [g.product(a, b), g.products(a, b, {}, true)]
    try {
      const session = open(backend, g)
      const inputs = [tf.ones([1, 1]), tf.ones([1, 1])]
      if (session !== undefined) backend.runSavedModel(session, inputs, inputs.map(inputInfo), outputs)
      return session !== undefined
    } catch {
      return false // no such op, or no such kernel
    }
  }))
}

/** A session that runs this graph; undefined where no file can be written, and the backend takes graphs from files alone. */
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
