/** One step of a training: loss, gradients, weights, and what is counted. N tokens · D d_in · S latents. */
import * as tf from '@tensorflow/tfjs'
import { adamStep, type Parameter } from './adam.js'
import { jumpReluLoss } from './jumprelu-loss.js'
import { rowNorms, type Losses, type Objective, type TrainedWeights } from './objective.js'
import type { TrainingPlan } from './plan.js'
import { learningRateAt, sparsityShareAt } from './schedule.js'
import { standardLoss } from './standard-loss.js'
import type { TrainingState } from './state.js'
import { batchTopKLoss, topKLoss } from './topk-loss.js'

/** A training under way. */
export interface Training {
  readonly plan: TrainingPlan
  readonly objective: Objective
  readonly state: TrainingState
}

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

/** The loss of a kind of SAE. */
export function objectiveOf(plan: TrainingPlan): Objective {
  switch (plan.architecture) {
    case 'standard':
      return standardLoss
    case 'topk':
      return topKLoss(plan.k, plan.auxiliary)
    case 'batchtopk':
      return batchTopKLoss(plan.k, plan.auxiliary)
    case 'jumprelu':
      return jumpReluLoss(plan.bandwidth, plan.preActivation)
  }
}

/** Trains on scaled inputs x [N,D] once; the weights change in place. */
export async function trainStep(training: Training, x: tf.Tensor2D): Promise<StepNumbers> {
  const { state, plan, objective } = training
  const numbers = tf.tidy(() => {
    const { sparsity, step, dead } = state.progress
    const terms = {
      sparsity: sparsity * sparsityShareAt(plan, step),
      dead: deadMask(training),
      deadCount: dead,
    }
    const losses = objective(state.weights, x, terms)
    update(training, losses.gradients)
    count(training, losses.acts)
    return measured(losses, x, deadMask(training))
  })
  try {
    const [loss, squaredError, variance, l0, dead, smallest] = (await numbers.data()) as unknown as SixNumbers
    return { loss, squaredError, variance, l0, dead, smallest }
  } finally {
    numbers.dispose()
  }
}

/** 1 for latents that have not fired for long, else 0 [S]. */
export function deadMask({ state, plan }: Training): tf.Tensor1D {
  return state.since.greaterEqual(plan.deadAfter).cast('float32')
}

function update({ state, plan }: Training, gradients: TrainedWeights): void {
  const { step } = state.progress
  const options = { ...plan, step: step + 1, learningRate: learningRateAt(plan, step) }
  for (const [name, p] of state.named) {
    const gradient = gradients[name] as tf.Tensor
    const isUnit = name === 'W_dec' && plan.decoderNorm === 'unit'
    adamStep(p, isUnit ? withoutStretch(p, gradient) : gradient, options)
    if (isUnit) p.value.assign(p.value.div(rowNorms(p.value as tf.Tensor as tf.Tensor2D)))
  }
}

/** A gradient by rows of norm 1, without what would only change their norm. */
const withoutStretch = ({ value }: Parameter, gradient: tf.Tensor): tf.Tensor =>
  gradient.sub(gradient.mul(value).sum(1, true).mul(value))

/** Steps of the end over which it is counted how often each latent fires. */
export const densitySteps = ({ steps }: TrainingPlan): number => Math.min(2000, Math.ceil(steps / 4))

function count({ state, plan }: Training, acts: tf.Tensor2D): void {
  const times = tf.matMul(tf.ones([1, acts.shape[0]]), acts.greater(0).cast<tf.Tensor2D>('float32')).flatten()
  state.since.assign(state.since.add(1).mul(times.equal(0).cast('float32')))
  if (state.progress.step >= plan.steps - densitySteps(plan)) state.fired.assign(state.fired.add(times))
}

type SixNumbers = [number, number, number, number, number, number]

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
