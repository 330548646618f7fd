/** A model's weights: named tensors, and matrices as they are multiplied fastest. */
import * as tf from '@tensorflow/tfjs'
import { ConfigError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { TiedUnembedding } from '../ops/tied-unembedding.js'
import { Matrix, TransposedMatrix, type LinearMap, type WeightMatrix } from '../ops/weight-matrix.js'
import type { NamedTensors } from './named-tensors.js'

/** What a norm multiplies by and adds, [D]; undefined where it is folded, or where the model has none. */
export interface NormTensors {
  readonly w: tf.Tensor | undefined
  readonly b: tf.Tensor | undefined
}

/** The weights under one name, such as a block's: `attn.W_O` of `blocks.3` is the model's `blocks.3.attn.W_O`. */
export interface BlockWeights {
  get<T extends tf.Tensor = tf.Tensor>(name: string): T
  maybe<T extends tf.Tensor = tf.Tensor>(name: string): T | undefined
  matrix(name: string): WeightMatrix
  norm(name: string): NormTensors
}

/**
 * Named weights of one model. Names are TransformerLens's, except that what is multiplied together is stored together:
 * `attn.W_QKV` [D,3·H·K] and `attn.W_O` [H·K,D] stand for W_Q, W_K, W_V [H,D,K] and W_O [H,K,D]; and that a tied
 * unembedding is not stored: `unembed.scale` [D,1], and `unembed.mean` [D,1] where it is centred, say what is made of the
 * embedding.
 */
export class Weights implements BlockWeights {
  readonly #tensors: Map<string, tf.Tensor>
  readonly #transposed: ReadonlySet<string>
  readonly #matrices = new Map<string, WeightMatrix>()
  readonly #derived = new Map<string, tf.Tensor>()
  readonly #blocks = new Map<string, BlockWeights>()

  /** Takes ownership of the tensors. */
  constructor(tensors: NamedTensors) {
    this.#tensors = new Map(tensors)
    this.#transposed = new Set(tensors.transposed)
    for (const tensor of this.#tensors.values()) tf.keep(tensor)
  }

  get names(): string[] {
    return [...this.#tensors.keys()]
  }

  has(name: string): boolean {
    return this.#tensors.has(name)
  }

  /** Whether a matrix is stored transposed, [out,in]: it is to be had by `matrix` alone. */
  isTransposed(name: string): boolean {
    return this.#transposed.has(name)
  }

  /**
   * The stored tensor. Belongs to the weights: do not dispose.
   * @throws ConfigError for a name that is not there, with the nearest, and for a matrix that is stored transposed
   */
  get<T extends tf.Tensor = tf.Tensor>(name: string): T {
    const tensor = this.#stored(name)
    if (!this.isTransposed(name)) return tensor as T
    throw new ConfigError(
      `weights: '${name}' is stored transposed on this backend. Take it by weights.matrix('${name}').`,
    )
  }

  /** The stored tensor, or undefined where the model has none (a folded norm has no weight). */
  maybe<T extends tf.Tensor = tf.Tensor>(name: string): T | undefined {
    return this.has(name) ? this.get<T>(name) : undefined
  }

  #stored(name: string): tf.Tensor {
    const tensor = this.#tensors.get(name)
    if (tensor) return tensor
    throw new ConfigError(`weights: there is no weight '${name}'.${didYouMean(name, this.names)}`)
  }

  /**
   * What `make` derives from these weights under a name: the stored tensor where it is no other, else what was made, which
   * is kept until the weights are disposed. Belongs to the weights: do not dispose.
   */
  derived(name: string, make: () => tf.Tensor): tf.Tensor {
    const known = this.#derived.get(name)
    if (known) return known
    const made = make()
    const stored = this.#tensors.get(name)
    if (stored?.dataId === made.dataId && tf.util.arraysEqual(stored.shape, made.shape)) {
      made.dispose()
      return stored
    }
    this.#derived.set(name, tf.keep(made))
    return made
  }

  /** Numbers held by derived weights alone: those that share a stored weight's data are left out. */
  get derivedCount(): number {
    const stored = new Set([...this.#tensors.values()].map(({ dataId }) => dataId))
    return [...this.#derived.values()].reduce((sum, t) => sum + (stored.has(t.dataId) ? 0 : t.size), 0)
  }

  /** The matrix [in,out], however it is stored. */
  matrix(name: string): WeightMatrix {
    const known = this.#matrices.get(name)
    if (known) return known
    const stored = this.#stored(name) as tf.Tensor2D
    const matrix = this.isTransposed(name) ? new TransposedMatrix(stored) : new Matrix(stored)
    this.#matrices.set(name, matrix)
    return matrix
  }

  norm(name: string): NormTensors {
    return { w: this.maybe(`${name}.w`), b: this.maybe(`${name}.b`) }
  }

  /** The weights under a name, such as `blocks.3`. */
  under(name: string): BlockWeights {
    const known = this.#blocks.get(name)
    if (known) return known
    const block: BlockWeights = {
      get: (own) => this.get(`${name}.${own}`),
      maybe: (own) => this.maybe(`${name}.${own}`),
      matrix: (own) => this.matrix(`${name}.${own}`),
      norm: (own) => this.norm(`${name}.${own}`),
    }
    this.#blocks.set(name, block)
    return block
  }

  /** The unembedding, stored or tied. */
  get unembedding(): LinearMap {
    return this.tiedUnembedding ?? this.matrix('unembed.W_U')
  }

  /** The unembedding's columns of some tokens, [D,C]; of a tied one no more is made than these. The caller owns them. */
  unembeddingColumns(tokens: readonly number[]): tf.Tensor2D {
    return tf.tidy(() => {
      const ids = tf.tensor1d([...tokens], 'int32')
      return this.tiedUnembedding?.columns(ids) ?? tf.gather(this.get<tf.Tensor2D>('unembed.W_U'), ids, 1)
    })
  }

  /** The unembedding where it is not stored, being the embedding with a scale of its own. */
  get tiedUnembedding(): TiedUnembedding | undefined {
    if (!this.has('unembed.scale')) return undefined
    return new TiedUnembedding(this.get('embed.W_E'), this.get('unembed.scale'), this.maybe('unembed.mean'))
  }

  /** Numbers held, tied weights counted once. */
  get parameterCount(): number {
    return [...new Set(this.#tensors.values())].reduce((sum, t) => sum + t.size, 0)
  }

  dispose(): void {
    for (const matrix of this.#matrices.values()) matrix.dispose()
    for (const tensor of [...this.#derived.values(), ...this.#tensors.values()]) tensor.dispose()
    this.#matrices.clear()
    this.#derived.clear()
    this.#tensors.clear()
  }
}
