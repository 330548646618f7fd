/** A model's weights: named tensors, matrices stored as they are multiplied fastest. */
import * as tf from '@tensorflow/tfjs'
import { ConfigError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import { Matrix, TurnedMatrix, type LinearMap, type WeightMatrix } from '../ops/linear.js'
import { TiedUnembedding } from '../ops/tied-unembedding.js'
import { straight, turned } from './turned.js'

/**
 * Named weights of one model. Names are TransformerLens's, except that what is multiplied together is stored together:
 * `attn.W_QKV` [D,3·H·K] and `attn.W_O` [H·K,D] stand for W_Q, W_K, W_V [H,D,K] and W_O [H,K,D]; that `mlp.W_in.T` is
 * W_in turned; and that a tied unembedding is not stored: `unembed.scale` [D,1], and `unembed.mean` [D,1] where it is
 * centred, say what is made of the embedding.
 */
export class Weights {
  readonly #tensors: Map<string, tf.Tensor>
  readonly #matrices = new Map<string, WeightMatrix>()
  readonly #derived = new Map<string, tf.Tensor>()

  /** Takes ownership of the tensors. */
  constructor(tensors: ReadonlyMap<string, tf.Tensor>) {
    this.#tensors = new Map(tensors)
    for (const tensor of this.#tensors.values()) tf.keep(tensor)
  }

  get names(): string[] {
    return [...this.#tensors.keys()]
  }

  has(name: string): boolean {
    return this.#tensors.has(name)
  }

  /** The stored tensor. Belongs to the weights: do not dispose. */
  get<T extends tf.Tensor = tf.Tensor>(name: string): T {
    const tensor = this.#tensors.get(name)
    if (!tensor)
      throw new ConfigError(`weights: there is no weight '${name}'.${didYouMean(name, this.names.map(straight))}`)
    return tensor as T
  }

  /** The stored tensor, or undefined where the model has none (a folded norm has no weight). */
  maybe<T extends tf.Tensor = tf.Tensor>(name: string): T | undefined {
    return this.#tensors.get(name) as T | undefined
  }

  /**
   * What `make` derives from these weights under a name: the stored tensor where it is no other, else what was made, which
   * is kept until the weights are disposed. Belongs to the weights: do not dispose.
   */
  derived(name: string, make: () => tf.Tensor): tf.Tensor {
    const known = this.#derived.get(name)
    if (known) return known
    const made = make()
    const stored = this.maybe(name)
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
    let matrix = this.#matrices.get(name)
    if (!matrix) this.#matrices.set(name, (matrix = this.#made(name)))
    return matrix
  }

  #made(name: string): WeightMatrix {
    const turnedRound = this.maybe<tf.Tensor2D>(turned(name))
    return turnedRound ? new TurnedMatrix(turnedRound) : new Matrix(this.get<tf.Tensor2D>(name))
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
