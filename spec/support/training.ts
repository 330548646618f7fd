/** A training on the way, of 8 numbers and 12 latents, as the specs of its parts need it. */
import * as tf from '@tensorflow/tfjs'
import type { TrainingOptions } from '../../saes/index.js'
import { trainingPlan } from '../../saes/training/plan.js'
import { firstSparsity } from '../../saes/training/schedule.js'
import { firstProgress, TrainingState } from '../../saes/training/state.js'
import { objectiveOf, type Training } from '../../saes/training/step.js'
import { D, drawn, S } from './losses.js'
import { randomTensor } from './saes.js'

/** With weights drawn from a seed, decoder rows of norm 1. The caller disposes its state. */
export function trainingOf(options: Partial<TrainingOptions> = {}): Training {
  const plan = trainingPlan({ hook: 'blocks.1.hook_resid_pre', dSae: S, steps: 100, ...options } as TrainingOptions)
  const weights = tf.tidy(() => {
    const { W_dec, ...others } = drawn()
    const threshold = plan.architecture === 'jumprelu' && { log_threshold: tf.fill<tf.Rank.R1>([S], Math.log(0.1)) }
    return { ...others, W_dec: W_dec.div<tf.Tensor2D>(W_dec.norm('euclidean', 1, true)), ...threshold }
  })
  const state = new TrainingState(firstProgress(1, firstSparsity(plan)), weights)
  tf.dispose({ ...weights })
  return { plan, objective: objectiveOf(plan), state }
}

/** Inputs [10,D] of a seed. The caller owns them. */
export const inputsOf = (seed: number): tf.Tensor2D => tf.tidy(() => randomTensor([10, D], seed).mul<tf.Tensor2D>(2))
