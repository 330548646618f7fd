/** The loop of a training: batch after batch, with what is counted, logged and saved on the way. */
import type * as tf from '@tensorflow/tfjs'
import type { ActivationData } from '../../lib/data/activation-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import { progressOf } from '../../lib/report/terminal/progress.js'
import { writeCheckpoint, type Identity } from './checkpoint.js'
import type { TrainingPlan } from './config.js'
import { entryRow, type TrainingEntry } from './history.js'
import { endless, scaled } from './inputs.js'
import type { Objective } from './objective.js'
import { resample } from './resample.js'
import { learningRateAt, steered, steerEvery, steersAfter } from './schedule.js'
import { noSums, type Progress, type TrainingState } from './state.js'
import { densitySteps, objectiveOf, trainStep, type StepNumbers } from './step.js'

export interface TrainingOptions {
  /** Where checkpoints go, and every how many steps one is written. With an unfinished training in it, that goes on. */
  readonly checkpoint?: { readonly folder: string; readonly every: number }
  /** Ends the training: a checkpoint is written, where they are asked for, then the signal's reason is thrown. */
  readonly signal?: AbortSignal
  /** Told of each entry of the history. @default a line or a bar on stderr */
  readonly onProgress?: (entry: TrainingEntry, steps: number) => void
}

/** Trains what is left to train. @throws the signal's reason */
export async function runTraining(
  state: TrainingState,
  plan: TrainingPlan,
  data: ActivationData,
  identity: Identity,
  { checkpoint, signal, onProgress = progressLine(plan) }: TrainingOptions,
): Promise<void> {
  const { progress } = state
  if (progress.step >= plan.steps) return
  const objective = objectiveOf(plan)
  const save = async () => checkpoint && writeCheckpoint(checkpoint.folder, state, identity)
  for await (const { rows, next, epoch } of endless(data, progress)) {
    const x = scaled(rows, progress.scale)
    try {
      if (signal?.aborted) await save()
      signal?.throwIfAborted()
      await step(state, plan, objective, x)
    } finally {
      x.dispose()
    }
    Object.assign(progress, { position: next, epoch })
    const ended = progress.step === plan.steps
    if (progress.sums.steps === plan.logEvery || ended) onProgress(log(progress, plan), plan.steps)
    if (ended || (checkpoint && progress.step % checkpoint.every === 0)) await save()
    if (ended) return
  }
}

async function step(state: TrainingState, plan: TrainingPlan, objective: Objective, x: tf.Tensor2D): Promise<void> {
  const { progress } = state
  const numbers = await trainStep(state, plan, objective, x)
  if (!Number.isFinite(numbers.loss)) {
    throw new ArgumentError(
      `trainSae: the loss of step ${progress.step + 1} is ${numbers.loss}. Take a lower learningRate or more learningRateWarmUp.`,
    )
  }
  progress.step++
  follow(progress, plan, numbers, x.shape[0])
  if (numbers.dead > 0 && plan.resampleAt.includes(progress.step)) await resample(state, plan, objective, x)
}

/** What is counted beside the weights. */
function follow(progress: Progress, plan: TrainingPlan, numbers: StepNumbers, tokens: number): void {
  const { sums } = progress
  sums.loss += numbers.loss
  sums.squaredError += numbers.squaredError
  sums.variance += numbers.variance
  sums.l0 += numbers.l0
  sums.steps++
  progress.dead = numbers.dead
  if (progress.step > plan.steps - densitySteps(plan)) progress.firedTokens += tokens
  progress.threshold = thresholdAfter(progress.threshold, numbers.smallest, plan)
  steer(progress, plan, numbers.l0)
}

/** Corrects the weight of the sparsity loss every few steps, by the mean L0 in between. */
function steer(progress: Progress, plan: TrainingPlan, l0: number): void {
  const { steering, step, sparsity } = progress
  steering.l0 += l0
  const every = steerEvery(plan)
  if (step % every !== 0) return
  const mean = steering.l0 / every
  if (steersAfter(plan, step)) progress.sparsity = steered(sparsity, mean, steering.last, plan.targetL0!)
  progress.steering = { l0: 0, last: mean }
}

/**
 * Of batch top-k SAEs: the running mean of the smallest activation that fires, over a hundred steps or so as in SAELens,
 * in a short training over its last tenth.
 */
function thresholdAfter(threshold: number, smallest: number, { steps }: TrainingPlan): number {
  if (!Number.isFinite(smallest)) return threshold
  const share = 1 / Math.min(100, Math.ceil(steps / 10))
  return threshold < 0 ? smallest : (1 - share) * threshold + share * smallest
}

/** An entry of the history from the sums since the last. */
function log(progress: Progress, plan: TrainingPlan): TrainingEntry {
  const { step, sums, dead, sparsity } = progress
  const entry = {
    step,
    loss: sums.loss / sums.steps,
    mse: sums.squaredError / sums.steps,
    explainedVariance: 1 - sums.squaredError / sums.variance,
    l0: sums.l0 / sums.steps,
    dead,
    sparsity,
    learningRate: learningRateAt(plan, step - 1),
  }
  progress.history.push(entryRow(entry))
  progress.sums = noSums()
  return entry
}

function progressLine({ steps, logEvery }: TrainingPlan): (entry: TrainingEntry) => void {
  const report = progressOf('training', Math.ceil(steps / logEvery))
  return ({ step }) => report(Math.ceil(step / logEvery), Math.ceil(steps / logEvery))
}
