/** Training sparse autoencoders on a model's activations: everything but the kinds, which are handed in. */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import type { JsonObject } from '../../lib/report/result/json.js'
import type { Result } from '../../lib/report/result/result.js'
import type { SaeConfig } from '../config.js'
import type { Sae } from '../sae.js'
import { readCheckpoint } from './checkpoint.js'
import { trainingPlan, type TrainingConfig, type TrainingPlan } from './config.js'
import { finishedWeights, logDensity } from './finish.js'
import { historyResult } from './history.js'
import { activationsOf, identityOf, trainedConfig, type TrainingData } from './inputs.js'
import { runTraining, type TrainingOptions } from './loop.js'
import { startOf } from './start.js'
import { noSums, TrainingState } from './state.js'
import type { ActivationData } from '../../lib/data/activation-data.js'

export interface TrainedSae {
  /** Reads activations as they are; its decoder rows have norm 1. The caller owns it. */
  readonly sae: Sae
  /** Loss, squared error, explained variance, L0, dead latents, sparsity, learning rate: axes [quantity, step]. */
  readonly history: Result
}

/** Makes an SAE of the kind that a config names; the tensors stay the caller's. */
export type MakeSae = (config: SaeConfig, weights: Readonly<Record<string, tf.Tensor>>) => Sae

/** See `trainSae` of saes/index.ts. */
export async function train(
  make: MakeSae,
  view: HookedModel,
  source: TrainingData,
  config: TrainingConfig,
  options: TrainingOptions = {},
): Promise<TrainedSae> {
  const plan = trainingPlan(config)
  checkCheckpoint(options)
  const { data, site } = await activationsOf(view, source, plan, config)
  const identity = await identityOf(view, source, plan)
  const folder = options.checkpoint?.folder
  const saved = folder === undefined ? undefined : await readCheckpoint(folder, identity)
  const state = saved ?? (await freshState(plan, data))
  try {
    await runTraining(state, plan, data, identity, options)
    const sae = await finished(make, trainedConfig(view, source, plan, site), state, plan)
    const provenance = await view.provenance({ seed: plan.seed })
    const extra = { hook: plan.hook, config: identity.config as JsonObject, data: source.about }
    return { sae, history: historyResult(state.progress.history, provenance, extra) }
  } finally {
    state.dispose()
  }
}

async function freshState(plan: TrainingPlan, data: ActivationData): Promise<TrainingState> {
  const { scale, weights } = await startOf(plan, data)
  const progress = {
    step: 0,
    position: null,
    epoch: 0,
    scale,
    sparsity: plan.sparsity,
    steering: { l0: 0, last: 0 },
    dead: 0,
    firedTokens: 0,
    threshold: -1,
    sums: noSums(),
    history: [],
  }
  try {
    return new TrainingState(progress, weights)
  } finally {
    tf.dispose(weights)
  }
}

async function finished(make: MakeSae, config: SaeConfig, state: TrainingState, plan: TrainingPlan): Promise<Sae> {
  const weights = finishedWeights(state, plan)
  try {
    const sae = make(config, weights)
    sae.logSparsity = await logDensity(state)
    return sae
  } finally {
    tf.dispose(weights)
  }
}

function checkCheckpoint({ checkpoint }: TrainingOptions): void {
  if (checkpoint === undefined) return
  const { folder, every } = checkpoint
  if (typeof folder !== 'string' || folder === '')
    throw new ArgumentError(`trainSae: checkpoint.folder is ${JSON.stringify(folder)}. Name a folder to write to.`)
  if (!Number.isInteger(every) || every < 1)
    throw new ArgumentError(
      `trainSae: checkpoint.every is ${String(every)}. It must be a whole number of steps from 1 up.`,
    )
}
