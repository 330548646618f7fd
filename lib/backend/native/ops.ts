/**
 * TensorFlow's own ops, called through the native backend where TensorFlow.js has none of them or a slow way to them.
 * What they give has no gradient: they belong inside a `tf.customGrad`.
 */
import * as tf from '@tensorflow/tfjs'

/** A type, a shape, or a text. */
type Attributes = Readonly<Record<string, 'float32' | readonly number[] | { readonly text: string }>>

/** An op by TensorFlow's name: attributes, inputs → its output, which the caller owns. */
export type NativeOp = (name: string, attributes: Attributes, inputs: readonly tf.Tensor[]) => tf.Tensor

interface Attribute {
  readonly name: string
  readonly type: number
  readonly value: number | readonly number[] | string
}

/** What of the native backend is used: tfjs-node's NodeJSKernelBackend. */
interface NativeBackend {
  readonly binding: Readonly<Record<'TF_ATTR_SHAPE' | 'TF_ATTR_STRING' | 'TF_ATTR_TYPE' | 'TF_FLOAT', number>>
  readonly isUsingGpuDevice: boolean
  executeSingleOutput(name: string, attributes: Attribute[], inputs: readonly tf.Tensor[]): tf.Tensor
}

/** Whether TensorFlow computes, on the processor. */
export function isNativeCpu(): boolean {
  return tf.getBackend() === 'tensorflow' && !(tf.backend() as unknown as NativeBackend).isUsingGpuDevice
}

/** On the native backend its ops; undefined on the others, and on a GPU, which has not all of them. */
export function nativeOp(): NativeOp | undefined {
  if (!isNativeCpu()) return undefined
  const backend = tf.backend() as unknown as NativeBackend
  const { TF_ATTR_SHAPE, TF_ATTR_STRING, TF_ATTR_TYPE, TF_FLOAT } = backend.binding
  const attribute = (name: string, value: Attributes[string]): Attribute => {
    if (value === 'float32') return { name, type: TF_ATTR_TYPE, value: TF_FLOAT }
    if ('text' in value) return { name, type: TF_ATTR_STRING, value: value.text }
    return { name, type: TF_ATTR_SHAPE, value }
  }
  return (name, attributes, inputs) => {
    const list = Object.entries(attributes).map(([key, value]) => attribute(key, value))
    return backend.executeSingleOutput(name, list, inputs)
  }
}
