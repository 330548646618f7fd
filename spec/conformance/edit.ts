/** Slices of activations, taken and changed as interventions do. */
import * as tf from '@tensorflow/tfjs'

/** x with the slice at `index` of an axis put through `edit`, which gets and returns it with that axis of length 1. */
export function editAt<T extends tf.Tensor>(
  x: T,
  axis: number,
  index: number,
  edit: (part: tf.Tensor) => tf.Tensor,
): T {
  return tf.tidy(() => {
    const part = (begin: number, length: number) =>
      x.slice(
        x.shape.map((_, a) => (a === axis ? begin : 0)),
        x.shape.map((n, a) => (a === axis ? length : n)),
      )
    const after = x.shape[axis]! - index - 1
    const parts = [
      ...(index > 0 ? [part(0, index)] : []),
      edit(part(index, 1)),
      ...(after > 0 ? [part(index + 1, after)] : []),
    ]
    return tf.concat(parts, axis) as T
  })
}

/** x with zeros at `index` of an axis. */
export function zeroAt<T extends tf.Tensor>(x: T, axis: number, index: number): T {
  return editAt(x, axis, index, (part) => tf.zerosLike(part))
}

/** The slice at `index` of an axis, without that axis. */
export function sliceAt(x: tf.Tensor, axis: number, index: number): tf.Tensor {
  return tf.tidy(() => tf.gather(x, tf.tensor1d([index], 'int32'), axis).squeeze([axis]))
}

/** The slices at several indices of an axis. */
export function pickAt(x: tf.Tensor, axis: number, indices: readonly number[]): tf.Tensor {
  return tf.tidy(() => tf.gather(x, tf.tensor1d([...indices], 'int32'), axis))
}

/** x in another shape; frees x. */
export function shaped(x: tf.Tensor, shape: number[]): tf.Tensor {
  const reshaped = x.reshape(shape)
  x.dispose()
  return reshaped
}
