/** What a training is told: its options, their defaults, and what is refused. */
import type { ExcludedTokens } from '../../lib/data/excluded-tokens.js'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import { didYouMean } from '../../lib/errors/nearest.js'

/** Kinds of SAE that can be trained. A batch top-k SAE ends as the JumpReLU SAE that SAELens makes of it too. */
export const trainable = ['standard', 'topk', 'batchtopk', 'jumprelu'] as const
export type Trainable = (typeof trainable)[number]

/** What is trained on is x · √D / mean ‖x‖, so that numbers mean the same at every hook point, unless `normalize` is false. */
export interface TrainingConfig {
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
  /** Tokens to leave out beside padding, where the data is tokens. @default 'special' */
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
  /** Weight of the sparsity loss: of standard SAEs Σ f ‖W_dec‖ (L1), of JumpReLU SAEs how many fire (L0). @default 1 */
  readonly sparsity?: number
  /** Steps in which that weight grows to its full size. @default a fifth of the steps */
  readonly sparsityWarmUp?: number
  /** Steer that weight to this L0 until seven tenths of the steps are done, then leave it. @default it stays as given */
  readonly targetL0?: number
  /** How many latents fire on a token, of top-k SAEs. */
  readonly k?: number
  /** Weight of top-k SAEs' auxiliary loss, for which dead latents explain what is left over. @default 1 */
  readonly auxiliary?: number
  /** Of JumpReLU SAEs: width of the rectangle that stands for the step in gradients. @default 0.1 */
  readonly bandwidth?: number
  /** Of JumpReLU SAEs, for inputs of norm √D. @default 0.1 */
  readonly initialThreshold?: number
  /** Of JumpReLU SAEs: weight of Σ relu(threshold − pre) over dead latents, which wakes them. @default 0 */
  readonly preActivation?: number
  /** `unit` keeps the decoder's rows at norm 1; `free` lets them go, as SAELens 6, and learns slower. @default 'unit' */
  readonly decoderNorm?: 'free' | 'unit'
  /** Where b_dec starts. @default 'mean' */
  readonly decoderBias?: 'mean' | 'geometricMedian' | 'zeros'
  /** Scale inputs to a norm of √D on average; the result takes them as they are. @default true */
  readonly normalize?: boolean
  /** Batches from which mean and scale are taken. @default 8 */
  readonly startBatches?: number
  /** Steps without firing after which a latent is dead. @default a sixteenth of the steps, at most 1000 */
  readonly deadAfter?: number
  /** Steps at which dead latents start anew, aimed at what is badly reconstructed. @default at 1/3, 1/2 and 2/3, but for top-k SAEs */
  readonly resampleAt?: readonly number[]
  /** Steps between two entries of the history. @default a hundredth of the steps */
  readonly logEvery?: number
}

/** With every default in its place; plain JSON. */
export type TrainingPlan = Required<Omit<TrainingConfig, 'targetL0' | 'k'>> & Pick<TrainingConfig, 'targetL0' | 'k'>

const count = { right: 'a whole number from 1 up', valid: (v: unknown) => Number.isSafeInteger(v) && (v as number) > 0 }
const steps = {
  right: 'a whole number from 0 up',
  valid: (v: unknown) => Number.isSafeInteger(v) && (v as number) >= 0,
}
const positive = { right: 'a number above 0', valid: (v: unknown) => Number.isFinite(v) && (v as number) > 0 }
const amount = { right: 'a number from 0 up', valid: (v: unknown) => Number.isFinite(v) && (v as number) >= 0 }
const share = { right: 'a number from 0 to below 1', valid: (v: unknown) => amount.valid(v) && (v as number) < 1 }
const oneOf = (...names: string[]) => ({
  right: names.map((name) => `'${name}'`).join(' or '),
  valid: (v: unknown) => names.includes(v as string),
  names,
})

interface Rule {
  readonly right: string
  readonly valid: (value: unknown) => boolean
  readonly names?: readonly string[]
}

const rules: Record<keyof TrainingConfig, Rule> = {
  hook: { right: 'the name of a hook point', valid: (v) => typeof v === 'string' && v !== '' },
  dSae: count,
  steps: count,
  architecture: oneOf(...trainable),
  batchSize: count,
  bufferRows: count,
  exclude: { right: "'none', 'bos', 'special' or a list of token ids", valid: () => true }, // where tokens are read
  seed: steps,
  learningRate: positive,
  beta1: share,
  beta2: share,
  learningRateWarmUp: steps,
  learningRateDecay: steps,
  sparsity: amount,
  sparsityWarmUp: steps,
  targetL0: positive,
  k: count,
  auxiliary: amount,
  bandwidth: positive,
  initialThreshold: positive,
  preActivation: amount,
  decoderNorm: oneOf('free', 'unit'),
  decoderBias: oneOf('mean', 'geometricMedian', 'zeros'),
  normalize: { right: 'true or false', valid: (v) => typeof v === 'boolean' },
  startBatches: count,
  deadAfter: count,
  resampleAt: { right: 'a list of steps', valid: (v) => Array.isArray(v) && v.every((step) => count.valid(step)) },
  logEvery: count,
}

/** Options that mean something for these kinds alone. */
const only: Partial<Record<keyof TrainingConfig, readonly Trainable[]>> = {
  sparsity: ['standard', 'jumprelu'],
  sparsityWarmUp: ['standard', 'jumprelu'],
  targetL0: ['standard', 'jumprelu'],
  k: ['topk', 'batchtopk'],
  auxiliary: ['topk', 'batchtopk'],
  bandwidth: ['jumprelu'],
  initialThreshold: ['jumprelu'],
  preActivation: ['jumprelu'],
}

/** @throws ArgumentError for an option that is unknown, not of this kind, missing, or has a value it cannot have */
export function trainingPlan(config: TrainingConfig): TrainingPlan {
  for (const [name, value] of Object.entries(config)) if (value !== undefined) check(name, value)
  for (const name of ['hook', 'dSae', 'steps'] as const) if (config[name] === undefined) check(name, undefined)
  const { architecture = 'standard', steps: total } = config
  checkKind(config, architecture)
  const topK = architecture === 'topk' || architecture === 'batchtopk'
  const part = (of: number) => Math.ceil(total / of)
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))
  const { batchSize = 4096 } = config
  return {
    architecture,
    batchSize,
    bufferRows: 8 * batchSize,
    exclude: 'special',
    seed: 0,
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    learningRateWarmUp: part(20),
    learningRateDecay: part(4),
    sparsity: 1,
    sparsityWarmUp: part(5),
    auxiliary: 1,
    bandwidth: 0.1,
    initialThreshold: 0.1,
    preActivation: 0,
    decoderNorm: 'unit',
    decoderBias: 'mean',
    normalize: true,
    startBatches: 8,
    deadAfter: Math.min(1000, part(16)),
    resampleAt: topK ? [] : [part(3), part(2), Math.ceil((2 * total) / 3)],
    logEvery: part(100),
    ...(given as unknown as TrainingConfig),
  }
}

function check(name: string, value: unknown): void {
  const rule = Object.hasOwn(rules, name) ? rules[name as keyof TrainingConfig] : undefined
  if (!rule) throw new ArgumentError(`trainSae: there is no option '${name}'.${didYouMean(name, Object.keys(rules))}`)
  if (rule.valid(value)) return
  const shown =
    typeof value === 'string' ? `'${value}'` : typeof value === 'number' ? String(value) : JSON.stringify(value)
  const hint = rule.names && typeof value === 'string' ? didYouMean(value, rule.names) : ''
  throw new ArgumentError(`trainSae: ${name} is ${shown}. It must be ${rule.right}.${hint}`)
}

function checkKind(config: TrainingConfig, architecture: Trainable): void {
  for (const [name, kinds] of Object.entries(only)) {
    if (config[name as keyof TrainingConfig] === undefined || kinds.includes(architecture)) continue
    throw new ArgumentError(
      `trainSae: ${name} is an option of ${kinds.join(' and ')} SAEs. Leave it out for '${architecture}'.`,
    )
  }
  const { k, dSae } = config
  if (!architecture.endsWith('topk') || (k !== undefined && k <= dSae)) return
  throw new ArgumentError(
    `trainSae: k is ${String(k)}. A ${architecture} SAE of ${dSae} latents needs a whole number from 1 to ${dSae}.`,
  )
}
