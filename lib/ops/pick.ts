/**
 * Picking single entries out of logits, with gradients that every backend can compute. Constants of a backward pass
 * are made in it: those made in the forward pass are gone by then.
 */
import * as tf from '@tensorflow/tfjs'

/** One row for each prompt: x [B,P,V] at positions[b] → [B,V]. */
export function pickPositions(x: tf.Tensor3D, positions: readonly number[]): tf.Tensor2D {
  const [batch, length, width] = x.shape
  if (positions.every((p) => p === positions[0]))
    return x.slice([0, positions[0]!, 0], [batch, 1, width]).reshape([batch, width])
  const rows = tf.tensor1d(
    positions.map((p, b) => b * length + p),
    'int32',
  )
  const where = () => tf.oneHot(tf.tensor1d([...positions], 'int32'), length).reshape([batch, length, 1])
  // gather has no gradient on wasm, so it is written out: dy goes back to the row it came from
  return tf.customGrad((input) => ({
    value: tf.gather((input as tf.Tensor).reshape([batch * length, width]), rows) as tf.Tensor2D,
    gradFunc: (dy) => tf.mul((dy as tf.Tensor).reshape([batch, 1, width]), where()),
  }))(x) as tf.Tensor2D
}

/** One entry of each row: x [N,V] at columns[n] → [N]. */
export function pickColumns(x: tf.Tensor2D, columns: readonly number[]): tf.Tensor1D {
  const [rows, width] = x.shape
  const flat = tf.tensor1d(
    columns.map((c, n) => n * width + c),
    'int32',
  )
  return tf.customGrad((input) => ({
    value: tf.gather((input as tf.Tensor).reshape([rows * width]), flat) as tf.Tensor1D,
    gradFunc: (dy) => tf.oneHot(tf.tensor1d([...columns], 'int32'), width).mul((dy as tf.Tensor).reshape([rows, 1])),
  }))(x) as tf.Tensor1D
}

/** Some columns of each row, in this order: x [N,V] → [N,C]. */
export function selectColumns(x: tf.Tensor2D, columns: readonly number[]): tf.Tensor2D {
  const width = x.shape[1]
  const indices = () => tf.tensor1d([...columns], 'int32')
  return tf.customGrad((input) => ({
    value: tf.gather(input as tf.Tensor2D, indices(), 1),
    gradFunc: (dy) => tf.matMul(dy as tf.Tensor2D, tf.oneHot(indices(), width).toFloat()),
  }))(x) as tf.Tensor2D
}
