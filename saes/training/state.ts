/**
 * Everything that changes while an SAE is trained: weights, moments and counters on the device, and plain data.
 */
import * as tf from '@tensorflow/tfjs'
import type { DataPosition } from '../../lib/data/token-data.js'
import type { EncodableTensor } from '../../lib/weights/formats/safetensors.js'
import { parameter, type Parameter } from './adam.js'
import type { TrainedWeights } from './objective.js'

/** Plain JSON. */
export interface TrainingProgress {
  /** Batches trained on. */
  step: number
  /** Where the next batch begins, which of the data's readings that is in. */
  position: DataPosition | null
  epoch: number
  /** √D / mean ‖x‖. */
  scale: number
  /** λ, without the warm-up's share. */
  sparsity: number
  /** Sum of L0 over the steps since λ could be steered last, and the mean L0 up to then. */
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

/** Before the first step. */
export function firstProgress(scale: number, sparsity: number): TrainingProgress {
  return {
    step: 0,
    position: null,
    epoch: 0,
    scale,
    sparsity,
    steering: { l0: 0, last: 0 },
    dead: 0,
    firedTokens: 0,
    threshold: -1,
    sums: firstSums(),
    history: [],
  }
}

export function firstSums(): TrainingProgress['sums'] {
  return { loss: 0, squaredError: 0, variance: 0, l0: 0, steps: 0 }
}

/** A parameter for each weight. */
export type Parameters = { readonly [Name in keyof TrainedWeights]: Parameter }

export class TrainingState {
  readonly progress: TrainingProgress
  readonly parameters: Parameters
  /** Steps since each latent fired [S]. */
  readonly since: tf.Variable<tf.Rank.R1>
  /** On how many of the last tokens each latent fired [S]. */
  readonly fired: tf.Variable<tf.Rank.R1>

  /** The tensors stay the caller's. */
  constructor(progress: TrainingProgress, weights: TrainedWeights) {
    this.progress = progress
    const parameters = Object.entries(weights).map(([name, value]) => [name, parameter(value as tf.Tensor)])
    this.parameters = Object.fromEntries(parameters) as Parameters
    const zeros = tf.zerosLike(weights.b_enc)
    this.since = tf.variable(zeros)
    this.fired = tf.variable(zeros)
    zeros.dispose()
  }

  /** Each weight's name and parameter. */
  get named(): [name: keyof TrainedWeights, Parameter][] {
    return Object.entries(this.parameters) as [keyof TrainedWeights, Parameter][]
  }

  get weights(): TrainedWeights {
    return Object.fromEntries(this.named.map(([name, { value }]) => [name, value])) as unknown as TrainedWeights
  }

  /** All variables, by the names they have in a checkpoint. */
  variables(): Map<string, tf.Variable> {
    const entries = this.named.flatMap(([name, p]): [string, tf.Variable][] => [
      [name, p.value],
      [`${name}.first`, p.first],
      [`${name}.second`, p.second],
    ])
    return new Map<string, tf.Variable>([...entries, ['since', this.since], ['fired', this.fired]])
  }

  /** Their values, for a checkpoint. */
  async read(): Promise<Map<string, EncodableTensor>> {
    const tensors = new Map<string, EncodableTensor>()
    for (const [name, variable] of this.variables()) {
      tensors.set(name, { shape: variable.shape, values: await variable.data<'float32'>() })
    }
    return tensors
  }

  dispose(): void {
    for (const variable of this.variables().values()) variable.dispose()
  }
}
