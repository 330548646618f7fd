/** `trainSae`, for every kind that can be trained. */
import * as tf from '@tensorflow/tfjs'
import type { JsonObject } from '../lib/report/result/json.js'
import type { HookedModel } from '../lib/model.js'
import type { ActivationData } from '../lib/data/activation-data.js'
import type { SaeConfig } from './config.js'
import { kinds } from './kinds/kinds.js'
import type { Sae } from './sae.js'
import { readCheckpoint, writeCheckpoint, type TrainingIdentity } from './training/checkpoint.js'
import type { Trainable, TrainingOptions } from './training/config.js'
import { finishedWeights, logDensity } from './training/finish.js'
import { historyOf, type TrainingHistory } from './training/history.js'
import { identityOf, trainedConfig, trainingActivations, type TrainingData } from './training/inputs.js'
import { runTraining, type TrainingRun } from './training/loop.js'
import { trainingPlan, type TrainingPlan } from './training/plan.js'
import { firstSparsity } from './training/schedule.js'
import { startOf } from './training/start.js'
import { firstProgress, TrainingState } from './training/state.js'
import { objectiveOf } from './training/step.js'

/** What `trainSae` gives. */
export interface TrainedSae {
  /** Reads activations as they are; its decoder rows have norm 1, except in top-k SAEs. The caller owns it. */
  readonly sae: Sae
  /** Loss, squared error, explained variance, L0, dead latents, λ, learning rate: axes [quantity, step]. */
  readonly history: TrainingHistory
}

/**
 * Trains an SAE on the activations of a hook point: of a model over tokens, or of activations that were harvested.
 *
 * With `checkpoint`, a folder, an interrupted training continues where it stopped when it is called again with the same
 * options and data, and ends with the same numbers, bit for bit on the same backend.
 *
 * @example
 * const { sae, history } = await trainSae(model, data, { hook: 'blocks.2.hook_resid_pre', dSae: 768, steps: 3000 })
 * @throws ArgumentError, HookError, MismatchError before any run; FileError for data without activations or a damaged
 *   checkpoint; ArgumentError when the loss is no number any more; the signal's reason
 */
export async function trainSae(view: HookedModel, data: TrainingData, options: TrainingOptions): Promise<TrainedSae> {
  const plan = trainingPlan(options)
  const inputs = { view, data, plan }
  const { activations, point } = await trainingActivations(inputs, options)
  const identity = await identityOf(inputs)
  const { checkpoint } = options
  const saved = checkpoint === undefined ? undefined : await readCheckpoint(checkpoint, identity)
  const state = saved ?? (await freshState(plan, activations))
  try {
    await runTraining({ plan, objective: objectiveOf(plan), state }, activations, runOf(state, identity, options))
    const sae = await finished(trainedConfig(inputs, point), state, plan)
    const extra = { hook: plan.hook, config: identity.config as JsonObject, data: data.about }
    const provenance = await view.provenance({ seed: plan.seed })
    return { sae, history: historyOf(state.progress.history, extra, provenance) }
  } finally {
    state.dispose()
  }
}

function runOf(state: TrainingState, identity: TrainingIdentity, options: TrainingOptions): TrainingRun {
  const { checkpoint, checkpointEvery = Math.ceil(options.steps / 10), signal, onProgress } = options
  if (checkpoint === undefined) return { signal, onProgress }
  const save = () => writeCheckpoint(checkpoint, state, identity)
  return { signal, onProgress, checkpoint: { every: checkpointEvery, save } }
}

async function freshState(plan: TrainingPlan, data: ActivationData): Promise<TrainingState> {
  const { scale, weights } = await startOf(plan, data)
  try {
    return new TrainingState(firstProgress(scale, firstSparsity(plan)), weights)
  } finally {
    tf.dispose({ ...weights })
  }
}

async function finished(config: SaeConfig, state: TrainingState, plan: TrainingPlan): Promise<Sae> {
  const weights = finishedWeights(state, plan)
  try {
    const sae = new kinds[config.architecture as Trainable]({ config }).load(weights)
    sae.logSparsity = await logDensity(state)
    return sae
  } finally {
    tf.dispose(weights)
  }
}
