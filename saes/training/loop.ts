/** The loop of a training: batch after batch, with what is counted, logged and saved on the way. */
import type * as tf from '@tensorflow/tfjs'
import { jobProgress } from '../../lib/core/job-progress.js'
import type { ActivationData } from '../../lib/data/activation-data.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { TrainingJobOptions } from './config.js'
import { entryRow, type TrainingEntry } from './history.js'
import { endless, scaled } from './inputs.js'
import type { TrainingPlan } from './plan.js'
import { resampleDead } from './resample-dead.js'
import { learningRateAt, steered, steeredTo, steerEvery } from './schedule.js'
import { firstSums, type TrainingProgress } from './state.js'
import { densitySteps, trainStep, type StepNumbers, type Training } from './step.js'

/** How a training is run. */
export interface TrainingRun extends Pick<TrainingJobOptions, 'signal' | 'onProgress'> {
  /** Keeps what is done so far. */
  readonly checkpoint?: { readonly every: number; save(): Promise<void> }
}

/** Trains what is left to train. @throws the signal's reason */
export async function runTraining(training: Training, data: ActivationData, run: TrainingRun): Promise<void> {
  const { plan, state } = training
  const { progress } = state
  if (progress.step >= plan.steps) return
  const { checkpoint, signal } = run
  using report = reporter(plan, run)
  for await (const { rows, next, epoch } of endless(data, progress)) {
    const x = scaled(rows, progress.scale)
    try {
      if (signal?.aborted) await checkpoint?.save()
      signal?.throwIfAborted()
      await step(training, x)
    } finally {
      x.dispose()
    }
    Object.assign(progress, { position: next, epoch })
    const ended = progress.step === plan.steps
    if (progress.sums.steps === plan.logEvery || ended) report.entry(log(progress, plan))
    if (ended || (checkpoint && progress.step % checkpoint.every === 0)) await checkpoint?.save()
    if (ended) return
  }
}

/** Hands the history's entries to the caller, or shows a bar. */
function reporter(
  { steps }: TrainingPlan,
  { onProgress }: TrainingRun,
): Disposable & { entry(entry: TrainingEntry): void } {
  if (onProgress) {
    return { entry: (entry) => onProgress(entry.step, steps, entry), [Symbol.dispose]: () => undefined }
  }
  const bar = jobProgress('training: steps', { onProgress }, steps)
  return { entry: ({ step }) => bar(step), [Symbol.dispose]: () => bar[Symbol.dispose]() }
}

async function step(training: Training, x: tf.Tensor2D): Promise<void> {
  const { plan, state } = training
  const numbers = await trainStep(training, x)
  if (!Number.isFinite(numbers.loss)) {
    throw new ArgumentError(
      `trainSae: the loss of step ${state.progress.step + 1} is ${numbers.loss}. ` +
        'Take a lower learningRate or more learningRateWarmUp.',
    )
  }
  state.progress.step++
  follow(training, numbers, x.shape[0])
  if (numbers.dead > 0 && plan.resampleAt.includes(state.progress.step)) await resampleDead(training, x)
}

/** What is counted besides the weights. */
function follow({ plan, state: { progress } }: Training, numbers: StepNumbers, tokens: number): void {
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

/** Corrects λ every few steps, by the mean L0 in between. */
function steer(progress: TrainingProgress, plan: TrainingPlan, l0: number): void {
  const { steering, step, sparsity } = progress
  steering.l0 += l0
  const every = steerEvery(plan)
  if (step % every !== 0) return
  const mean = steering.l0 / every
  const wanted = steeredTo(plan, step)
  if (wanted !== undefined) progress.sparsity = steered(sparsity, { l0: mean, last: steering.last, wanted })
  progress.steering = { l0: 0, last: mean }
}

/**
 * Of batch top-k SAEs: the running mean of the smallest activation that fires, over a hundred steps or so as in
 * SAELens, in a short training over its last tenth.
 */
function thresholdAfter(threshold: number, smallest: number, { steps }: TrainingPlan): number {
  if (!Number.isFinite(smallest)) return threshold
  const share = 1 / Math.min(100, Math.ceil(steps / 10))
  return threshold < 0 ? smallest : (1 - share) * threshold + share * smallest
}

/** An entry of the history from the sums since the last. */
function log(progress: TrainingProgress, plan: TrainingPlan): TrainingEntry {
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
  progress.sums = firstSums()
  return entry
}
