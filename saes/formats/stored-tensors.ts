/** Tensors of an SAE's files: their shapes are known when a file is opened, their numbers are taken one at a time. */
import * as tf from '@tensorflow/tfjs'
import { checkFinite } from '../../lib/weights/collect.js'
import type { SafetensorsFile } from '../../lib/weights/formats/safetensors.js'
import type { HostTensor } from '../../lib/weights/read-tensor.js'

/** A tensor in an open file. */
export interface StoredTensor {
  readonly shape: readonly number[]
  /** The file it lies in, for messages. */
  readonly file: string
  read(): Promise<HostTensor>
  /** The tensor itself, where it need not be read (lib/weights/mapped.ts); the caller owns it. */
  map?(): tf.Tensor | undefined
}

/** Tensors by the names of an SAE's weights. */
export type StoredTensors = ReadonlyMap<string, StoredTensor>

/** All tensors of a safetensors file, which stays open. */
export function storedIn(file: SafetensorsFile, name: string): StoredTensors {
  const stored = (key: string, shape: readonly number[]): StoredTensor => ({
    shape,
    file: name,
    read: () => file.read(key),
    map: () => file.map(key),
  })
  return new Map([...file.infos].map(([key, { shape }]) => [key, stored(key, shape)]))
}

/**
 * A tensor's numbers on the backend, as float32. The caller owns it.
 * @throws FileError for NaN and infinity, naming the tensor
 */
export async function take(stored: StoredTensor, name: string): Promise<tf.Tensor> {
  const tensor = stored.map?.() ?? uploaded(await stored.read())
  try {
    if (!(await isFinite(tensor))) checkFinite(await tensor.data(), name, stored.file)
    return tensor
  } catch (error) {
    tensor.dispose()
    throw error
  }
}

/**
 * Whether the sum is finite, as it is of finite numbers except for huge ones. It is also a first use, after which the
 * native backend lets go of a JavaScript array: until then it holds a second copy of the weight.
 */
async function isFinite(tensor: tf.Tensor): Promise<boolean> {
  const sum = tf.tidy(() => tensor.sum())
  try {
    return (await sum.data()).every(Number.isFinite)
  } finally {
    sum.dispose()
  }
}

/** Integers become floats, as in the weights of models. */
function uploaded({ values, shape }: HostTensor): tf.Tensor {
  return tf.tensor(values instanceof Float32Array ? values : Float32Array.from(values), [...shape])
}

/** What `use` gives; closes what was opened where it throws. */
export async function closedOnFailure<T>(file: { close(): Promise<void> }, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    await file.close()
    throw error
  }
}
