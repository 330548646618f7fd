/** Where a training starts: the scale of its inputs and its first weights. D d_in · S latents. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationData } from '../../lib/data/activation-data.js'
import { FileError } from '../../lib/errors/errors.js'
import { random } from '../../lib/stats/random.js'
import type { TrainedWeights } from './objective.js'
import type { TrainingPlan } from './plan.js'

export interface TrainingStart {
  /** √D / mean ‖x‖, or 1 where inputs are taken as they are. */
  readonly scale: number
  /** The caller owns them. */
  readonly weights: TrainedWeights
}

/** The norm of W_enc's columns, and of free decoder rows, at the start, as SAELens's decoder_init_norm. */
const START_NORM = 0.1

/** Reads the first batches of the data. @throws FileError where they are empty or all 0 */
export async function startOf(plan: TrainingPlan, data: ActivationData): Promise<TrainingStart> {
  const batches = await firstBatches(data, plan.startBatches)
  try {
    const norm = await meanNorm(batches)
    if (!(norm > 0) || !Number.isFinite(norm)) {
      throw new FileError(
        `trainSae: the activations have a mean norm of ${norm}. Give data whose activations are finite and not all 0.`,
      )
    }
    const scale = plan.normalize ? Math.sqrt(data.width) / norm : 1
    return { scale, weights: tf.tidy(() => firstWeights(plan, centre(plan, batches, data.width).mul(scale))) }
  } finally {
    tf.dispose(batches)
  }
}

async function firstBatches(data: ActivationData, count: number): Promise<tf.Tensor2D[]> {
  const batches: tf.Tensor2D[] = []
  try {
    for await (const { rows } of data.batches()) if (batches.push(rows) === count) break
    return batches
  } catch (error) {
    tf.dispose(batches)
    throw error
  }
}

async function meanNorm(batches: readonly tf.Tensor2D[]): Promise<number> {
  let [sum, count] = [0, 0]
  for (const rows of batches) {
    const norms = tf.tidy(() => rows.norm('euclidean', 1).sum())
    for (const norm of await norms.data()) sum += norm
    count += rows.shape[0]
    norms.dispose()
  }
  return sum / count
}

/** Where b_dec starts, on the scale of the data [D]. */
function centre({ decoderBias }: TrainingPlan, batches: readonly tf.Tensor2D[], width: number): tf.Tensor1D {
  if (decoderBias === 'zeros') return tf.zeros([width])
  const all = tf.concat([...batches], 0)
  return decoderBias === 'mean' ? all.mean(0) : geometricMedian(all)
}

/** The point whose distances to the rows have the least sum [D], by 50 steps of Weiszfeld's from the mean. */
export function geometricMedian(rows: tf.Tensor2D): tf.Tensor1D {
  return tf.tidy(() => {
    let median = rows.mean<tf.Tensor1D>(0)
    for (let i = 0; i < 50; i++) {
      const last = median
      median = tf.tidy(() => {
        const weights = tf.div(1, rows.sub(last).norm('euclidean', 1, true).maximum(1e-10))
        return rows.mul(weights).sum<tf.Tensor1D>(0).div(weights.sum())
      })
      last.dispose()
    }
    return median
  })
}

function firstWeights(plan: TrainingPlan, b_dec: tf.Tensor1D): TrainedWeights {
  const { dSae, seed, decoderNorm } = plan
  const [width] = b_dec.shape
  const { normal } = random(seed)
  const drawn = tf.tensor2d(
    Float32Array.from({ length: dSae * width }, () => normal()),
    [dSae, width],
  )
  const directions = drawn.div<tf.Tensor2D>(drawn.norm('euclidean', 1, true))
  return {
    W_enc: directions.transpose().mul(START_NORM),
    b_enc: tf.zeros([dSae]),
    W_dec: directions.mul(decoderNorm === 'unit' ? 1 : START_NORM),
    b_dec,
    ...(plan.architecture === 'jumprelu' && { log_threshold: tf.fill([dSae], Math.log(plan.initialThreshold)) }),
  }
}
