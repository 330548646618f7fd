/** Products with frozen weight matrices, whose backward pass uses a stored transpose. */
import * as tf from '@tensorflow/tfjs'
import { ShapeError } from '../errors/errors.js'
import type { GraphText, Node } from '../backend/native/graph.js'
import { isNativeCpu } from '../backend/native/ops.js'
import { compute, isTaped, type Forms } from './custom-gradient.js'

/** A frozen linear map over the last axis. */
export interface LinearMap {
  readonly shape: readonly [inputs: number, outputs: number]
  /** x [...,in] (+ b [out]) → [...,out] */
  times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor
  /** The gradient by x, [...,in], of the gradient by what `times` gives, [...,out]. */
  back(dy: tf.Tensor): tf.Tensor
}

/** A product as a part of a graph: of rows [N,in], this tensor (, a bias (, rows [N,out] that it is added onto)). */
export interface Factor {
  readonly form: Forms
  readonly tensor: tf.Tensor2D
}

/** A frozen weight matrix [in,out]. */
export abstract class WeightMatrix implements LinearMap {
  /** As it is stored. Its owner's. */
  readonly value: tf.Tensor2D

  constructor(value: tf.Tensor2D) {
    this.value = value
  }

  abstract get shape(): [inputs: number, outputs: number]
  /** How so many rows are multiplied fastest. */
  abstract factor(rows: number): Factor
  abstract back(dy: tf.Tensor): tf.Tensor

  times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor {
    const { form, tensor } = this.factor(rowsOf(x))
    return compute(overLastAxis(form, this.shape), b ? [x, tensor, b] : [x, tensor])[0]!
  }

  /** Frees what is kept beside the matrix. */
  dispose(): void {}
}

/** Numbers of a matrix from which on no transpose is kept: it takes the more memory and saves the less time. */
const TOO_LARGE = 2 ** 21

/**
 * Numbers of a matrix from which on wasm multiplies by its transpose from the left: from the right it would be read from
 * memory anew for every four rows. The numbers that come out are the same.
 */
const WIDE = 2 ** 24

/**
 * A matrix stored [in,out], that keeps its transpose once a backward pass has asked for it: `dy · Wᵀ` by a transposed
 * right-hand side takes twice as long by TensorFlow's own kernel, a tenth more by oneDNN's, and transposes each time on
 * wasm.
 */
export class Matrix extends WeightMatrix {
  #transpose: tf.Tensor2D | undefined
  #transposeOf: object | undefined

  get shape(): [number, number] {
    return this.value.shape
  }

  factor(_rows: number): Factor {
    if (this.value.size < WIDE || tf.getBackend() !== 'wasm') return { form: productForms, tensor: this.value }
    return { form: fromTheLeft, tensor: this.kept() }
  }

  back(dy: tf.Tensor): tf.Tensor {
    if (this.value.size <= TOO_LARGE) return compute(backwards(productForms, this), [dy, this.kept()])[0]!
    const [inputs, outputs] = this.shape
    const turned = outputs <= inputs ? bySome(rowsOf(dy)) : byMany(rowsOf(dy))
    return compute(backwards(turned, this), [dy, this.value])[0]!
  }

  /** The transpose [out,in], made at the first call; made anew when a variable was assigned to. */
  protected kept(): tf.Tensor2D {
    if (this.#transposeOf !== this.value.dataId) {
      this.dispose()
      this.#transpose = tf.keep(transpose(this.value))
      this.#transposeOf = this.value.dataId
    }
    return this.#transpose!
  }

  override dispose(): void {
    this.#transpose?.dispose()
    this.#transpose = undefined
    this.#transposeOf = undefined
  }
}

/**
 * A matrix stored [out,in], as torch's Linear has it. Where outputs are many its rows are shorter, and oneDNN, which
 * reads a stored matrix of [in,out] across its rows while there are less than some 260 rows of x, finds them in its cache:
 * rows of a multiple of 4096 bytes, as most models' neurons have, push each other out of it.
 */
export class TurnedMatrix extends WeightMatrix {
  get shape(): [number, number] {
    const [outputs, inputs] = this.value.shape
    return [inputs, outputs]
  }

  factor(rows: number): Factor {
    return { form: bySome(rows), tensor: this.value }
  }

  back(dy: tf.Tensor): tf.Tensor {
    return compute(backwards(productForms, this), [dy, this.value])[0]!
  }
}

/** Numbers of a matrix up to which it stays in a cache however it lies, and from which on a transpose takes too much. */
const CACHED = 2 ** 21
const TOO_WIDE = 2 ** 25

/** Rows up to which oneDNN reads a stored matrix where it lies. */
const UNPACKED = 256

/**
 * A matrix stored [in,out] of very many outputs, such as an encoder's, which keeps its transpose once it has multiplied
 * some rows: on the native backend these take half the time by it (see `TurnedMatrix`), one row and many no less.
 */
export class WideMatrix extends Matrix {
  override factor(rows: number): Factor {
    const { size } = this.value
    const isWorthIt = size > CACHED && size <= TOO_WIDE && rows > 1 && rows <= UNPACKED
    return isWorthIt && isNativeCpu() ? { form: bySome(rows), tensor: this.kept() } : super.factor(rows)
  }
}

/** How many rows x [...,in] has. */
export const rowsOf = (x: tf.Tensor): number => x.size / x.shape.at(-1)!

/** y (+ b). */
export function plus<T extends tf.Tensor>(y: T, b: tf.Tensor | undefined): T {
  return b ? y.add(b) : y
}

/** What makes rows of rows, [N,in] → [N,out], over the last axis of x: [...,in] → [...,out]. */
export function overRows(x: tf.Tensor, f: (rows: tf.Tensor2D) => tf.Tensor2D): tf.Tensor {
  return tf.tidy(() => {
    const y = f(x.reshape<tf.Tensor2D>([-1, x.shape.at(-1)!]))
    return y.reshape([...x.shape.slice(0, -1), y.shape[1]])
  })
}

/** x · W (+ b, + what it is added onto), of rows. */
export const productForms: Forms = {
  key: 'product',
  plain: (x, W, b, onto) => [plus(plus(tf.matMul(x as tf.Tensor2D, W as tf.Tensor2D), b), onto)],
  graph: (g, x, W, b, onto) => plusNode(g, g.product(x!, W!, { bias: b }), onto),
}

/** Rows from which on oneDNN reads a transposed right-hand side faster than it turns the product round: of few inputs, of many. */
const SOME = 32
const MANY = 256
const bySome = (rows: number): Forms => (rows < SOME ? fromTheLeft : fromTheRight)
const byMany = (rows: number): Forms => (rows < MANY ? fromTheLeft : fromTheRight)

/** x · Wᵀ (+ b, + what it is added onto), of rows, as (W · xᵀ)ᵀ. */
const fromTheLeft: Forms = {
  key: '(W · xᵀ)ᵀ',
  plain: (x, W, b, onto) => [
    plus(plus(tf.matMul(W as tf.Tensor2D, x!.transpose<tf.Tensor2D>()).transpose<tf.Tensor2D>(), b), onto),
  ],
  graph: (g, x, W, b, onto) => plusNode(g, productFromTheLeft(g, x!, W!, b), onto),
}

/** The same as it stands, where oneDNN's kernel is there to read a matrix the other way round. */
const fromTheRight: Forms = {
  key: 'x · Wᵀ',
  plain: fromTheLeft.plain,
  graph(g, x, W, b, onto) {
    const fromIt = () => g.product(x!, W!, { transposeB: true, bias: b })
    return plusNode(g, g.oneDnn ? fromIt() : productFromTheLeft(g, x!, W!, b), onto)
  },
}

function productFromTheLeft(g: GraphText, x: Node, W: Node, bias: Node | undefined): Node {
  const product = g.transpose(g.product(W, x, { transposeB: true }), [1, 0])
  return g.biased(product, bias)
}

/** y (+ what it is added onto). */
export const plusNode = (g: GraphText, y: Node, onto: Node | undefined): Node =>
  onto === undefined ? y : g.node('AddV2', [onto, y])

/** x [...,width] as rows [N,width]. */
export const rowForms = (width: number): Forms => ({
  key: `rows of ${width}`,
  plain: (x) => [x!.reshape([-1, width])],
  graph: (g, x) => g.reshape(x!, g.integers([-1, width])),
})

/** Rows as x lies, which has as many numbers. */
export const likeForms: Forms = {
  key: 'rows as x',
  plain: (rows, x) => [rows!.reshape(x!.shape)],
  graph: (g, rows, x) => g.reshape(rows!, g.node('Shape', [x!], { T: 'float32', out_type: 'int32' })),
}

/** A product of rows over the last axis of x: [...,in] → [...,out]. */
const overLastAxis = (rows: Forms, [inputs, outputs]: LinearMap['shape']): Forms => ({
  key: `${rows.key} over ${inputs}, ${outputs}`,
  plain: (x, ...by) => [overRows(x!, (own) => rows.plain(own, ...by)[0] as tf.Tensor2D)],
  graph(g, x, ...by) {
    const y = rows.graph(g, rowForms(inputs).graph(g, x!) as Node, ...by) as Node
    return g.reshape(y, g.shape(g.sizes(x!, 0, -1), [outputs]))
  },
})

const backwards = (rows: Forms, { shape: [inputs, outputs] }: LinearMap): Forms => overLastAxis(rows, [outputs, inputs])

/** a · b of matrices, either transposed: tf.matMul by the faster product, where no gradient is taken. */
export function matMul(a: tf.Tensor2D, b: tf.Tensor2D, transposeA = false, transposeB = false): tf.Tensor2D {
  if (isTaped()) return tf.matMul(a, b, transposeA, transposeB)
  return compute(matrixProduct(transposeA, transposeB), [a, b])[0] as tf.Tensor2D
}

/** The transpose of a large matrix: tf.transpose in half the time on the native backend, where no gradient is taken. */
export function transpose(x: tf.Tensor2D): tf.Tensor2D {
  return compute(transposeForms, [x])[0] as tf.Tensor2D
}

const transposeForms: Forms = {
  key: 'transpose',
  plain: (x) => [x!.transpose()],
  graph: (g, x) => g.transpose(x!, [1, 0], true),
}

const matrixProduct = (transposeA: boolean, transposeB: boolean): Forms => ({
  key: `a · b ${transposeA} ${transposeB}`,
  plain: (a, b) => [tf.matMul(a!, b!, transposeA, transposeB)],
  graph: (g, a, b) => g.product(a!, b!, { transposeA, transposeB }),
})

/**
 * x · W (+ b) over the last axis: x [...,in] → [...,out]. Differentiable in x; W and b are constants.
 */
export function linear(x: tf.Tensor, W: LinearMap, b?: tf.Tensor): tf.Tensor {
  const [inputs] = W.shape
  if (x.shape.at(-1) !== inputs) {
    throw new ShapeError(
      `linear: x has shape [${x.shape}], the matrix [${W.shape}]. The last axis of x must be ${inputs}.`,
    )
  }
  if (!isTaped()) return W.times(x, b)
  return tf.customGrad((input) => {
    return { value: W.times(input as tf.Tensor, b), gradFunc: (dy) => W.back(dy as tf.Tensor) }
  })(x)
}

/**
 * A product of its own for each head: x [B,P,H,in] with W [H,in,out] → [B,P,H,out]. Differentiable in x.
 */
export function linearPerHead(x: tf.Tensor4D, W: tf.Tensor3D, b?: tf.Tensor2D): tf.Tensor4D {
  return tf.tidy(() => {
    const [batch, positions, heads, inputs] = x.shape
    const byHead = x.transpose([2, 0, 1, 3]).reshape<tf.Tensor3D>([heads, batch * positions, inputs])
    const y = tf
      .matMul(byHead, W)
      .reshape<tf.Tensor4D>([heads, batch, positions, W.shape[2]])
      .transpose<tf.Tensor4D>([1, 2, 0, 3])
    return b ? y.add<tf.Tensor4D>(b) : y
  })
}
