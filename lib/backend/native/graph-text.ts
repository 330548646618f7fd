/** A graph of TensorFlow's ops, written as the text of a SavedModel. */

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
  readonly #alsoComputed: Node[] = []

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

  /** Has a run compute these too: TensorFlow rewrites what nobody asks for, and last digits would change. */
  alsoCompute(nodes: readonly Node[]): void {
    this.#alsoComputed.push(...nodes)
  }
  get alsoComputed(): readonly Node[] {
    return this.#alsoComputed
  }

  /** A tensor that each run is given, float32 of any shape. */
  input(name: string): Node {
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
