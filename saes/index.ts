/**
 * The layers and what can be done with them. `loadSae` and `trainSae` are in `tfjs-lens`.
 * @module tfjs-lens/saes
 */
export { foldActivationNorm, foldWDecNorm } from './fold.js'
export type { SaeFacts } from './formats/sae-files.js'
export { embeddedSaes, saeReleases, type SaeRelease } from './releases/index.js'
export { saveSae, type SaveSaeOptions } from './save-sae.js'
export { readSaeConfig, type Normalization, type SaeConfig } from './config.js'
export { Sae, type Pass, type SaeArgs, type SaeKind } from './sae.js'
export { BatchTopKSae } from './kinds/batchtopk.js'
export { GatedSae } from './kinds/gated.js'
export { JumpReluTranscoder } from './kinds/jumprelu-transcoder.js'
export { JumpReluSae } from './kinds/jumprelu.js'
export { SkipTranscoder } from './kinds/skip-transcoder.js'
export { StandardSae } from './kinds/standard.js'
export { TopKSae } from './kinds/topk.js'
export { Transcoder } from './kinds/transcoder.js'
export { withThreshold } from './kinds/with-threshold.js'
export type { TrainedSae } from './train-sae.js'
export type {
  BatchTopKTraining,
  CommonTraining,
  JumpReluTraining,
  StandardTraining,
  TopKTraining,
  Trainable,
  TrainingConfig,
  TrainingJobOptions,
  TrainingOptions,
} from './training/config.js'
export { TrainingHistory, type TrainingEntry, type TrainingQuantity } from './training/history.js'
export type { TrainingData } from './training/inputs.js'
