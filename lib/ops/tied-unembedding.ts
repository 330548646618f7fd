/** An unembedding that is the embedding: one matrix in memory where there would be two. */
import * as tf from '@tensorflow/tfjs'
import { matMul, overRows, plus } from './products.js'
import type { LinearMap } from './weight-matrix.js'

/**
 * W_U [D,V] = (scale ∘ (W_E − mean))ᵀ without being made: a large vocabulary's W_U is gigabytes.
 */
export class TiedUnembedding implements LinearMap {
  readonly #embedding: tf.Tensor2D
  readonly #scale: tf.Tensor2D
  readonly #mean: tf.Tensor2D | undefined

  /** `embedding` [V,D]; `scale` [D,1], the weight of a folded norm; `mean` [D,1] of centred columns. All stay their owner's. */
  constructor(embedding: tf.Tensor2D, scale: tf.Tensor2D, mean?: tf.Tensor2D) {
    this.#embedding = embedding
    this.#scale = scale
    this.#mean = mean
  }

  get shape(): [number, number] {
    const [vocabulary, width] = this.#embedding.shape
    return [width, vocabulary]
  }

  times(x: tf.Tensor, b?: tf.Tensor): tf.Tensor {
    return overRows(x, (rows) => {
      const scaled = rows.mul<tf.Tensor2D>(this.#scale.reshape([1, -1]))
      // the large matrix first: as a transposed right-hand side the native backend would copy it
      const logits = matMul(this.#embedding, scaled.transpose<tf.Tensor2D>()).transpose<tf.Tensor2D>()
      const centred = this.#mean ? logits.sub<tf.Tensor2D>(matMul(scaled, this.#mean)) : logits
      return plus(centred, b)
    })
  }

  back(dy: tf.Tensor): tf.Tensor {
    return overRows(dy, (rows) => {
      const whole = matMul(rows, this.#embedding)
      const centred = this.#mean ? whole.sub(matMul(rows.sum<tf.Tensor2D>(1, true), this.#mean, { b: true })) : whole
      return centred.mul(this.#scale.reshape([1, -1]))
    })
  }

  /** Columns of W_U, [D,C], of these tokens (int32). The caller owns them. */
  columns(tokens: tf.Tensor1D): tf.Tensor2D {
    return tf.tidy(() => {
      const rows = tf.gather(this.#embedding, tokens)
      const centred = this.#mean ? rows.sub(this.#mean.reshape([1, -1])) : rows
      return centred.transpose().mul<tf.Tensor2D>(this.#scale)
    })
  }

  /** W_U itself [D,V]. The caller owns it. */
  matrix(): tf.Tensor2D {
    return tf.tidy(() => {
      const centred = this.#mean ? this.#embedding.sub(this.#mean.reshape([1, -1])) : this.#embedding
      return centred.transpose().mul<tf.Tensor2D>(this.#scale)
    })
  }
}
