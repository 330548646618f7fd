/**
 * Dead latents are reset, as in Bricken et al. 2023 (Towards Monosemanticity): each is aimed at what the SAE leaves
 * over of an input, drawn with a chance that grows with that input's squared error. N tokens · D d_in · S latents.
 */
import * as tf from '@tensorflow/tfjs'
import { random } from '../../lib/stats/random.js'
import type { Parameter } from './adam.js'
import type { TrainingPlan } from './plan.js'
import { deadMask, type Training } from './step.js'

/** How long a new column of W_enc is, as a share of the mean of those that live. */
const SHARE = 0.2

/** The weights change in place; moments of what was dead are 0. x [N,D] is scaled. */
export async function resampleDead(training: Training, x: tf.Tensor2D): Promise<void> {
  const { state, plan, objective } = training
  const { error, dead, squares } = tf.tidy(() => {
    const dead = deadMask(training)
    const { error } = objective(state.weights, x, { sparsity: 0, dead, deadCount: 0 })
    return { error, dead, squares: error.square().sum(1) }
  })
  try {
    const chosen = draw(await squares.data<'float32'>(), plan, state.progress.step)
    tf.tidy(() => aim(training, dead, tf.gather(error.neg(), tf.tensor1d(chosen, 'int32'))))
  } finally {
    tf.dispose([error, dead, squares])
  }
}

/** An input for each latent [S]; those of latents that live are not used. Follows from seed and step alone. */
function draw(squares: Float32Array, { seed, dSae }: TrainingPlan, step: number): number[] {
  const { next } = random((seed + 2 ** 21 * step) % 2 ** 53)
  let total = 0
  const upTo = Float64Array.from(squares, (square) => (total += square))
  return Array.from({ length: dSae }, () => {
    const at = next() * total
    const place = upTo.findIndex((sum) => sum > at)
    return place < 0 ? squares.length - 1 : place
  })
}

/** Gives the dead latents the directions of these rows [S,D]. */
function aim({ state, plan }: Training, dead: tf.Tensor1D, rows: tf.Tensor2D): void {
  const { W_enc, b_enc, W_dec, log_threshold } = state.parameters
  const alive = tf.sub(1, dead)
  const mean = (norms: tf.Tensor) => norms.mul(alive).sum().div(alive.sum().maximum(1))
  const directions = rows.div(rows.norm('euclidean', 1, true).maximum(1e-8))
  const row = plan.decoderNorm === 'unit' ? tf.scalar(1) : mean(W_dec.value.norm('euclidean', 1))
  const column = mean(W_enc.value.norm('euclidean', 0)).mul(SHARE)
  replace(W_dec, dead.reshape([-1, 1]), directions.mul(row))
  replace(W_enc, dead.reshape([1, -1]), directions.transpose().mul(column))
  replace(b_enc, dead, tf.zerosLike(dead))
  if (log_threshold && plan.architecture === 'jumprelu') {
    replace(log_threshold, dead, tf.fill(dead.shape, Math.log(plan.initialThreshold)))
  }
  state.since.assign(state.since.mul(alive))
}

/** Values where the mask is 1, of which the moments are forgotten. */
function replace({ value, first, second }: Parameter, mask: tf.Tensor, values: tf.Tensor): void {
  const kept = tf.sub(1, mask)
  value.assign(value.mul(kept).add(values.mul(mask)))
  first.assign(first.mul(kept))
  second.assign(second.mul(kept))
}
