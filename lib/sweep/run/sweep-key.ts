/** What tells one sweep from another: a hash of its prompts, interventions and metric. */
import { createHash } from 'node:crypto'
import * as tf from '@tensorflow/tfjs'
import { Activations } from '../../core/activations.js'

/** A hash of values of any kind: tensors and caches count by their numbers, functions by their text. */
export async function sweepKey(parts: readonly unknown[]): Promise<string> {
  const tensors = new Map<tf.Tensor, string>()
  for (const tensor of tensorsIn(parts)) tensors.set(tensor, await tensorKey(tensor))
  const plain = (_: string, value: unknown): unknown => {
    if (typeof value === 'function') return String(value)
    if (value instanceof tf.Tensor) return tensors.get(value)
    if (value instanceof Activations) return [...value.entries()]
    return ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value
  }
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${JSON.stringify(part, plain)}\n`)
  return hash.digest('hex')
}

/** Every tensor inside, also of caches. */
function tensorsIn(parts: readonly unknown[]): Set<tf.Tensor> {
  const found = new Set<tf.Tensor>()
  JSON.stringify(parts, (_, value: unknown) => {
    if (value instanceof Activations) for (const [, tensor] of value.entries()) found.add(tensor)
    if (value instanceof tf.Tensor) found.add(value)
    const isLeaf = value instanceof Activations || value instanceof tf.Tensor || ArrayBuffer.isView(value)
    return isLeaf ? undefined : value
  })
  return found
}

async function tensorKey(tensor: tf.Tensor): Promise<string> {
  const numbers = (await tensor.data()) as Uint8Array
  return `${tensor.shape} ${createHash('sha256').update(numbers).digest('hex')}`
}
