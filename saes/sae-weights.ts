/** The weights of an SAE: tf variables found by name, and the transposes kept beside them. S latents. */
import type * as tf from '@tensorflow/tfjs'
import { ArgumentError, ShapeError } from '../lib/errors/errors.js'
import { Matrix, WideMatrix } from '../lib/ops/linear.js'
import { SparseRowsMatrix } from '../lib/ops/sparse-matrix.js'

export class SaeWeights {
  readonly #label: string
  readonly #variables = new Map<string, tf.LayerVariable>()
  readonly #matrices = new Map<string, Matrix>()

  constructor(label: string) {
    this.#label = label
  }

  /** Takes over a variable. */
  set(name: string, variable: tf.LayerVariable): void {
    this.#variables.set(name, variable)
  }

  /** Writes all weights; the tensors stay the caller's. @throws ShapeError, ArgumentError before any is written. */
  load(tensors: Readonly<Record<string, tf.Tensor>>): void {
    for (const [name, { shape }] of this.#variables) {
      const tensor = tensors[name]
      if (!tensor)
        throw new ArgumentError(
          `load: the SAE '${this.#label}' has a weight '${name}', which is not among ${Object.keys(tensors).join(', ')}.`,
        )
      if (tensor.shape.join() !== shape.join()) {
        throw new ShapeError(
          `load: ${name} of the SAE '${this.#label}' has shape [${tensor.shape}]. Its config asks for [${shape}].`,
        )
      }
    }
    for (const [name, variable] of this.#variables) variable.write(tensors[name]!)
  }

  /** @throws ArgumentError for a name that is not there. */
  get<T extends tf.Tensor = tf.Tensor>(name: string): T {
    const variable = this.#variables.get(name)
    if (this.#variables.size === 0)
      throw new ArgumentError(`weight: the SAE '${this.#label}' was disposed. Load it again.`)
    if (!variable)
      throw new ArgumentError(
        `weight: the SAE '${this.#label}' has no '${name}'. It has ${[...this.#variables.keys()].join(', ')}.`,
      )
    return variable.read() as T
  }

  /** A frozen matrix. What the decoder multiplies is mostly zeros. */
  matrix(name: string): Matrix {
    let matrix = this.#matrices.get(name)
    if (!matrix) {
      const Kind = { W_enc: WideMatrix, W_dec: SparseRowsMatrix }[name] ?? Matrix
      this.#matrices.set(name, (matrix = new Kind(this.get(name))))
    }
    return matrix
  }

  /** Frees all; gives how many variables there were. */
  dispose(): number {
    const before = this.#variables.size
    for (const matrix of this.#matrices.values()) matrix.dispose()
    for (const variable of this.#variables.values()) variable.dispose()
    this.#matrices.clear()
    this.#variables.clear()
    return before
  }
}
