/** Everything that changes while an SAE is trained: on the device weights, moments and counters, beside them plain data. */
import * as tf from '@tensorflow/tfjs'
import type { DataPosition } from '../../lib/data/token-data.js'
import type { EncodableTensor } from '../../lib/weights/formats/safetensors.js'
import { parameter, type Parameter } from './adam.js'
import type { Weights } from './objective.js'

/** Plain JSON. */
export interface Progress {
  /** Batches trained on. */
  step: number
  /** Where the next batch begins, which of the data's readings that is in. */
  position: DataPosition | null
  epoch: number
  /** √D / mean ‖x‖. */
  scale: number
  /** Weight of the sparsity loss, without the warm-up's share. */
  sparsity: number
  /** Sum of L0 over the steps since the sparsity could be steered last, and the mean L0 up to then. */
  steering: { l0: number; last: number }
  /** How many latents were dead after the last step. */
  dead: number
  /** Tokens over which `fired` is counted. */
  firedTokens: number
  /** Of batch top-k SAEs: running mean of the smallest activation that fires in a batch; −1 before there is one. */
  threshold: number
  /** Sums since the last entry of the history, and how many steps. */
  sums: { loss: number; squaredError: number; variance: number; l0: number; steps: number }
  history: number[][]
}

export function noSums(): Progress['sums'] {
  return { loss: 0, squaredError: 0, variance: 0, l0: 0, steps: 0 }
}

export class TrainingState {
  readonly progress: Progress
  readonly parameters: Readonly<Record<string, Parameter>>
  /** Steps since each latent fired [S]. */
  readonly since: tf.Variable
  /** On how many of the last tokens each latent fired [S]. */
  readonly fired: tf.Variable

  /** The tensors stay the caller's. */
  constructor(progress: Progress, weights: Weights) {
    this.progress = progress
    this.parameters = Object.fromEntries(Object.entries(weights).map(([name, value]) => [name, parameter(value)]))
    const zeros = tf.zerosLike(weights['b_enc']!)
    this.since = tf.variable(zeros)
    this.fired = tf.variable(zeros)
    zeros.dispose()
  }

  get weights(): Weights {
    return Object.fromEntries(Object.entries(this.parameters).map(([name, { value }]) => [name, value]))
  }

  /** All variables, by the names they have in a checkpoint. */
  variables(): Map<string, tf.Variable> {
    const entries = Object.entries(this.parameters).flatMap(([name, p]): [string, tf.Variable][] => [
      [name, p.value],
      [`${name}.first`, p.first],
      [`${name}.second`, p.second],
    ])
    return new Map([...entries, ['since', this.since], ['fired', this.fired]])
  }

  /** Their values, for a checkpoint. */
  async read(): Promise<Map<string, EncodableTensor>> {
    const tensors = new Map<string, EncodableTensor>()
    for (const [name, variable] of this.variables()) {
      tensors.set(name, { shape: variable.shape, values: (await variable.data()) as Float32Array })
    }
    return tensors
  }

  dispose(): void {
    for (const variable of this.variables().values()) variable.dispose()
  }
}
