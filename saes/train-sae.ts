/** `trainSae`, for every kind that can be trained. */
import type * as tf from '@tensorflow/tfjs'
import type { HookedModel } from '../lib/model.js'
import type { SaeConfig } from './config.js'
import { kinds } from './kinds/kinds.js'
import type { Trainable, TrainingConfig } from './training/config.js'
import type { TrainingData } from './training/inputs.js'
import type { TrainingOptions } from './training/loop.js'
import { train, type TrainedSae } from './training/train-sae.js'

/**
 * Trains an SAE on the activations of a hook point: of a model over tokens, or of activations that were harvested.
 * `const { sae, history } = await trainSae(model, data, { hook: 'blocks.2.hook_resid_pre', dSae: 768, steps: 3000 })`
 *
 * With `checkpoint` an interrupted training goes on where it stopped, when it is called again with the same config and
 * data, and ends with the same numbers, bit for bit on the same backend.
 * @throws ArgumentError, HookError, MismatchError before any run; FileError for data without activations or a damaged
 *   checkpoint; ArgumentError when the loss is no number any more
 */
export function trainSae(
  view: HookedModel,
  data: TrainingData,
  config: TrainingConfig,
  options: TrainingOptions = {},
): Promise<TrainedSae> {
  const make = (config: SaeConfig, weights: Readonly<Record<string, tf.Tensor>>) =>
    new kinds[config.architecture as Trainable]({ config }).load(weights)
  return train(make, view, data, config, options)
}
