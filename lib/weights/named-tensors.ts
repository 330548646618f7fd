/** Weights on their way from a checkpoint into a model. */
import type * as tf from '@tensorflow/tfjs'

/**
 * Tensors by name, and which matrices among them are stored transposed, [out,in]. Tied weights must have been separated:
 * each name its own tensor.
 */
export class NamedTensors extends Map<string, tf.Tensor> {
  readonly transposed = new Set<string>()
}
