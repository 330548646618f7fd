/** The unembedding, which ends every model's forward pass: all of it, or the columns of a few tokens. */
import * as tf from '@tensorflow/tfjs'
import type { At } from './hooks.js'
import { linear, Matrix, type LinearMap } from './ops/linear.js'
import type { Weights } from './weights/weights.js'

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
  const [W, b] = tf.tidy(() => {
    const ids = tf.tensor1d([...tokens], 'int32')
    const rows = w.tiedUnembedding?.columns(ids) ?? tf.gather(w.get<tf.Tensor2D>('unembed.W_U'), ids, 1)
    return [tf.keep(rows), tf.keep(tf.gather(w.get<tf.Tensor1D>('unembed.b_U'), ids))]
  }) as [tf.Tensor2D, tf.Tensor1D]
  const matrix = new Matrix(W)
  return { W: matrix, b, [Symbol.dispose]: () => (matrix.dispose(), tf.dispose([W, b])) }
}
