/** The weights of an SAE: tf variables found by name, and the transposes kept with them. S latents. */
import type * as tf from '@tensorflow/tfjs'
import { ArgumentError, ShapeError } from '../lib/errors/errors.js'
import { Matrix, WideMatrix } from '../lib/ops/weight-matrix.js'
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

  /** Writes all weights, each from a tensor that is taken. @throws ArgumentError where they were disposed */
  write(value: (name: string) => tf.Tensor): void {
    if (this.#variables.size === 0) throw this.#disposed('load')
    for (const [name, variable] of this.#variables) {
      const tensor = value(name)
      variable.write(tensor)
      tensor.dispose()
    }
  }

  /** @throws ArgumentError for a name that is not there. */
  get<T extends tf.Tensor = tf.Tensor>(name: string): T {
    const variable = this.#variables.get(name)
    if (variable) return variable.read() as T
    if (this.#variables.size === 0) throw this.#disposed('weight')
    throw new ArgumentError(
      `weight: the SAE '${this.#label}' has no '${name}'. It has ${[...this.#variables.keys()].join(', ')}.`,
    )
  }

  #disposed(verb: string): ArgumentError {
    return new ArgumentError(`${verb}: the SAE '${this.#label}' was disposed. Load it again.`)
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

/**
 * Looks tensors up by the names of an SAE's weights; all have been checked.
 * @throws ArgumentError for one that is missing, ShapeError for one of another shape than the config's
 */
export function checkedWeights(
  tensors: Readonly<Record<string, tf.Tensor>>,
  shapes: Readonly<Record<string, readonly number[]>>,
  label: string,
): (name: string) => tf.Tensor {
  const find = (name: string): tf.Tensor => {
    const tensor = tensors[name]
    if (tensor) return tensor
    const names = Object.keys(tensors).join(', ')
    throw new ArgumentError(`load: the SAE '${label}' has a weight '${name}', which is not among ${names}.`)
  }
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor = find(name)
    if (tensor.shape.join() === shape.join()) continue
    throw new ShapeError(
      `load: ${name} of the SAE '${label}' has shape [${tensor.shape}]. Its config asks for [${shape}].`,
    )
  }
  return find
}
