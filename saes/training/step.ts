/** One step of a training: loss, gradients, weights, and what is counted. N tokens · D d_in · S latents. */
import * as tf from '@tensorflow/tfjs'
import { adamStep } from './adam.js'
import type { TrainingPlan } from './config.js'
import { jumpReluLoss } from './jumprelu-loss.js'
import { rowNorms, type Losses, type Objective } from './objective.js'
import { learningRateAt, sparsityShareAt } from './schedule.js'
import { standardLoss } from './standard-loss.js'
import type { TrainingState } from './state.js'
import { batchTopKLoss, topKLoss } from './topk-loss.js'

/** The numbers of one step; means over tokens. */
export interface StepNumbers {
  readonly loss: number
  /** ‖x̂ − x‖² */
  readonly squaredError: number
  /** ‖x − mean x‖², the mean over the batch. */
  readonly variance: number
  readonly l0: number
  /** Latents that are dead after the step. */
  readonly dead: number
  /** The smallest activation above 0; Infinity where there is none. */
  readonly smallest: number
}

export function objectiveOf(plan: TrainingPlan): Objective {
  const { architecture, k, auxiliary, bandwidth, preActivation } = plan
  if (architecture === 'topk') return topKLoss(k!, auxiliary)
  if (architecture === 'batchtopk') return batchTopKLoss(k!, auxiliary)
  return architecture === 'jumprelu' ? jumpReluLoss(bandwidth, preActivation) : standardLoss
}

/** Trains on scaled inputs x [N,D] once; the weights change in place. */
export async function trainStep(
  state: TrainingState,
  plan: TrainingPlan,
  objective: Objective,
  x: tf.Tensor2D,
): Promise<StepNumbers> {
  const numbers = tf.tidy(() => {
    const { sparsity, step, dead } = state.progress
    const terms = {
      sparsity: sparsity * sparsityShareAt(plan, step),
      dead: deadMask(state, plan),
      deadCount: dead,
    }
    const losses = objective(state.weights, x, terms)
    update(state, plan, losses.gradients)
    count(state, plan, losses.acts)
    return measured(losses, x, deadMask(state, plan))
  })
  try {
    const [loss, squaredError, variance, l0, dead, smallest] = await numbers.data<'float32'>()
    return { loss: loss!, squaredError: squaredError!, variance: variance!, l0: l0!, dead: dead!, smallest: smallest! }
  } finally {
    numbers.dispose()
  }
}

/** 1 for latents that have not fired for long, else 0 [S]. */
export function deadMask({ since }: TrainingState, { deadAfter }: TrainingPlan): tf.Tensor1D {
  return since.greaterEqual(deadAfter).cast('float32')
}

function update(state: TrainingState, plan: TrainingPlan, gradients: Losses['gradients']): void {
  const { step } = state.progress
  const options = { ...plan, learningRate: learningRateAt(plan, step) }
  for (const [name, p] of Object.entries(state.parameters)) {
    const gradient = gradients[name]!
    if (name !== 'W_dec' || plan.decoderNorm === 'free') {
      adamStep(p, gradient, step + 1, options)
      continue
    }
    // what would only change the norm does not count
    const along = gradient.mul(p.value).sum(1, true).mul(p.value)
    adamStep(p, gradient.sub(along), step + 1, options)
    p.value.assign(p.value.div(rowNorms(p.value)))
  }
}

/** Steps of the end over which it is counted how often each latent fires. */
export const densitySteps = ({ steps }: TrainingPlan): number => Math.min(2000, Math.ceil(steps / 4))

function count(state: TrainingState, plan: TrainingPlan, acts: tf.Tensor2D): void {
  const times = tf.matMul(tf.ones([1, acts.shape[0]]), acts.greater(0).cast<tf.Tensor2D>('float32')).flatten()
  state.since.assign(state.since.add(1).mul(times.equal(0).cast('float32')))
  if (state.progress.step >= plan.steps - densitySteps(plan)) state.fired.assign(state.fired.add(times))
}

/** [6], in the order of `StepNumbers`. */
function measured({ acts, error, other }: Losses, x: tf.Tensor2D, dead: tf.Tensor1D): tf.Tensor1D {
  const count = x.shape[0]
  const squaredError = error.square().sum().div(count)
  const fire = acts.greater(0)
  return tf.stack([
    squaredError.add(other).asScalar(),
    squaredError.asScalar(),
    x.sub(x.mean(0)).square().sum().div(count).asScalar(),
    fire.cast('float32').sum().div(count).asScalar(),
    dead.sum().asScalar(),
    tf.where(fire, acts, tf.fill(acts.shape, Infinity)).min().asScalar(),
  ]) as tf.Tensor1D
}
