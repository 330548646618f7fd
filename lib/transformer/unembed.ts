/** The unembedding, which ends every model's forward pass: all of it, or the columns of a few tokens. */
import * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from './architecture.js'
import { linear } from '../ops/linear.js'
import { Matrix, type LinearMap } from '../ops/weight-matrix.js'
import { checkTokenIds } from '../tokens/token-ids.js'
import type { Weights } from '../weights/weights.js'
import type { At } from './at.js'

/** Some columns of W_U [D,C] and of b_U [C]. Owns them. */
export interface Columns extends Disposable {
  readonly W: LinearMap
  readonly b: tf.Tensor1D
}

/** Logits [B,P,V] of the normed residual stream [B,P,D], or [B,P,C] of some columns. */
export function unembed(w: Weights, final: tf.Tensor3D, columns: Columns | undefined, at: At): tf.Tensor3D {
  const { W, b } = columns ?? { W: w.unembedding, b: w.get('unembed.b_U') }
  return at('unembed.hook_out', linear(at('unembed.hook_in', final), W, b) as tf.Tensor3D)
}

/** The columns of these tokens. */
export function columnsOf(w: Weights, tokens: readonly number[]): Columns {
  const W = tf.keep(w.unembeddingColumns(tokens))
  const b = tf.keep(tf.tidy(() => tf.gather(w.get<tf.Tensor1D>('unembed.b_U'), tf.tensor1d([...tokens], 'int32'))))
  const matrix = new Matrix(W)
  return { W: matrix, b, [Symbol.dispose]: () => (matrix.dispose(), tf.dispose([W, b])) }
}

/** The direction in the residual stream that raises each token's logit: columns of W_U, [N,D]. The caller owns it. @throws TokenError */
export function residualDirections(
  model: {
    readonly name: string
    readonly config: ModelConfig
    readonly weights: Pick<Weights, 'unembeddingColumns'>
  },
  tokens: number | readonly number[],
): tf.Tensor2D {
  const ids = [tokens].flat() as number[]
  checkTokenIds('residualDirections', tokens, { dVocab: model.config.dVocab, name: model.name })
  return tf.tidy(() => model.weights.unembeddingColumns(ids).transpose<tf.Tensor2D>())
}
