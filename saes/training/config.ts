/** What a training is of: the options of every kind of SAE, and those of each kind. */
import type { HookName } from '../../lib/core/hooks.js'
import type { JobOptions } from '../../lib/core/job-options.js'
import type { ExcludedTokens } from '../../lib/data/excluded-tokens.js'
import type { TrainingEntry } from './history.js'

/** Kinds of SAE that can be trained. A batch top-k SAE ends as the JumpReLU SAE that SAELens makes of it too. */
export const trainable = ['standard', 'topk', 'batchtopk', 'jumprelu'] as const

/** A kind of SAE that can be trained. */
export type Trainable = (typeof trainable)[number]

/**
 * The options of every kind. What is trained on is x · √D / mean ‖x‖, so that numbers mean the same at every hook
 * point, unless `normalize` is false.
 */
export interface CommonTraining {
  /** The hook point whose activations are trained on; heads are flattened. */
  readonly hook: HookName
  /** S: how many latents. */
  readonly dSae: number
  /** How many batches to train on. Data that ends before is read again from its start. */
  readonly steps: number
  /** @default 'standard' */
  readonly architecture?: Trainable
  /** N: tokens of a batch, where the data is tokens; activations come in batches of their own. @default 4096 */
  readonly batchSize?: number
  /** Tokens held in memory to draw batches from, where the data is tokens. @default 8 batches */
  readonly bufferRows?: number
  /** Tokens to leave out besides padding, where the data is tokens. @default 'special' */
  readonly exclude?: ExcludedTokens
  /** Of weights, and of the order of tokens where the data is tokens. @default 0 */
  readonly seed?: number
  /** Adam's. @default 1e-3 */
  readonly learningRate?: number
  /** @default 0.9 */
  readonly beta1?: number
  /** @default 0.999 */
  readonly beta2?: number
  /** Steps in which the learning rate grows to its full size. @default a twentieth of the steps */
  readonly learningRateWarmUp?: number
  /** Last steps, in which it falls to 0. @default a quarter of the steps */
  readonly learningRateDecay?: number
  /** `unit` keeps the decoder's rows at norm 1; `free` lets them go, as SAELens 6: slower. @default 'unit' */
  readonly decoderNorm?: 'free' | 'unit'
  /** Where b_dec starts. @default 'mean' */
  readonly decoderBias?: 'mean' | 'geometricMedian' | 'zeros'
  /** Scale inputs to a norm of √D on average; the result takes them as they are. @default true */
  readonly normalize?: boolean
  /** Batches from which mean and scale are taken. @default 8 */
  readonly startBatches?: number
  /** Steps without firing after which a latent is dead. @default a sixteenth of the steps, at most 1000 */
  readonly deadAfter?: number
  /**
   * Steps at which dead latents are reset, aimed at what is badly reconstructed.
   * @default at 1/3, 1/2 and 2/3 of the steps; never in top-k SAEs
   */
  readonly resampleAt?: readonly number[]
  /** Steps between two entries of the history. @default a hundredth of the steps */
  readonly logEvery?: number
}

/** The weight of a sparsity loss. */
interface SparsityTraining {
  /** λ, of standard SAEs for mean Σ f ‖W_dec‖ (L1), of JumpReLU SAEs for how many fire (L0). @default 1 */
  readonly sparsity?: number
  /** Steps in which λ grows to its full size. @default a fifth of the steps */
  readonly sparsityWarmUp?: number
  /** Steer λ to this L0 until seven tenths of the steps are done, then leave it. @default it stays as given */
  readonly targetL0?: number
}

/** Of a standard SAE, with an L1 loss. Bricken et al. 2023, Towards Monosemanticity. */
export interface StandardTraining extends CommonTraining, SparsityTraining {
  readonly architecture?: 'standard'
}

/** How many latents fire, and what wakes those that are dead. */
interface KeptTraining {
  /** How many latents fire on a token, in a batch top-k SAE on average. */
  readonly k: number
  /** Weight of the auxiliary loss, for which dead latents explain what is left over. @default 1 */
  readonly auxiliary?: number
}

/** Of a top-k SAE. Gao et al. 2024, arXiv:2406.04093. */
export interface TopKTraining extends CommonTraining, KeptTraining {
  readonly architecture: 'topk'
}

/** Of a batch top-k SAE, which keeps the k · N largest of a batch. Bussmann et al. 2024, arXiv:2412.06410. */
export interface BatchTopKTraining extends CommonTraining, KeptTraining {
  readonly architecture: 'batchtopk'
}

/** Of a JumpReLU SAE, with an L0 loss. Rajamanoharan et al. 2024, arXiv:2407.14435. */
export interface JumpReluTraining extends CommonTraining, SparsityTraining {
  readonly architecture: 'jumprelu'
  /** Width of the rectangle that stands for the step in gradients. @default 0.1 */
  readonly bandwidth?: number
  /** Where thresholds start, for inputs of norm √D. @default 0.1 */
  readonly initialThreshold?: number
  /** Weight of Σ relu(threshold − pre) over dead latents, which wakes them. @default 0 */
  readonly preActivation?: number
}

type KeysOf<T> = T extends unknown ? keyof T : never

/** One kind's options, any other's being an error also where `architecture` is left out. */
type Only<Own, Others> = Own & { readonly [Name in Exclude<KeysOf<Others>, keyof Own>]?: never }

/**
 * What to train, by `architecture`: an option of another kind is an error of types, and refused when it runs.
 *
 * @example
 * const config: TrainingConfig = { hook: hook('resid_pre', 2), architecture: 'topk', k: 16, dSae: 384, steps: 150 }
 */
export type TrainingConfig =
  Only<StandardTraining, TopKTraining | JumpReluTraining> | TopKTraining | BatchTopKTraining | JumpReluTraining

/** Where a training reports to, when it stops, and where it keeps what is done. */
export interface TrainingJobOptions extends Omit<JobOptions, 'onProgress'> {
  /**
   * Called with each entry of the history: steps done, steps in all, the entry; `false` for silence.
   * @default a bar on stderr
   */
  readonly onProgress?: ((done: number, total: number, entry: TrainingEntry) => void) | false
  /** Ends the training: a checkpoint is written, where they are asked for, then the signal's reason is thrown. */
  readonly signal?: AbortSignal
  /** A folder for checkpoints. The same call, made again, continues from the one in it. @default none */
  readonly checkpoint?: string
  /** Steps between two checkpoints. @default a tenth of the steps */
  readonly checkpointEvery?: number
}

/** What `trainSae` takes: what to train, and how the job is run. */
export type TrainingOptions = TrainingConfig & TrainingJobOptions
