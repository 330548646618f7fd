/** A training's options with every default in its place, and what is refused. */
import { ArgumentError } from '../../lib/errors/errors.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { checkOptions, type OptionNames } from '../../lib/errors/options.js'
import {
  trainable,
  type BatchTopKTraining,
  type CommonTraining,
  type JumpReluTraining,
  type StandardTraining,
  type TopKTraining,
  type Trainable,
  type TrainingJobOptions,
  type TrainingOptions,
} from './config.js'

/** The options of one kind with their defaults; `targetL0` has none. */
type PlanOf<C> = Required<Omit<C, 'targetL0'>> & Pick<C, Extract<keyof C, 'targetL0'>>

/** With every default in its place; plain JSON. */
export type TrainingPlan =
  PlanOf<StandardTraining> | PlanOf<TopKTraining> | PlanOf<BatchTopKTraining> | PlanOf<JumpReluTraining>

interface Rule {
  readonly right: string
  readonly valid: (value: unknown) => boolean
  readonly names?: readonly string[]
}

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

const common: Record<keyof CommonTraining, Rule> = {
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
  decoderNorm: oneOf('free', 'unit'),
  decoderBias: oneOf('mean', 'geometricMedian', 'zeros'),
  normalize: { right: 'true or false', valid: (v) => typeof v === 'boolean' },
  startBatches: count,
  deadAfter: count,
  resampleAt: { right: 'a list of steps', valid: (v) => Array.isArray(v) && v.every((step) => count.valid(step)) },
  logEvery: count,
}

/** What a kind has besides. */
type Own<C> = Record<Exclude<keyof C, keyof CommonTraining>, Rule>

const standard: Own<StandardTraining> = { sparsity: amount, sparsityWarmUp: steps, targetL0: positive }
const topK: Own<TopKTraining> = { k: count, auxiliary: amount }
const jumpRelu: Own<JumpReluTraining> = {
  ...standard,
  bandwidth: positive,
  initialThreshold: positive,
  preActivation: amount,
}
const own: Record<Trainable, Readonly<Record<string, Rule>>> = {
  standard,
  topk: topK,
  batchtopk: topK,
  jumprelu: jumpRelu,
}
const rules: Readonly<Record<string, Rule>> = { ...common, ...standard, ...topK, ...jumpRelu }

const jobOptions: OptionNames<TrainingJobOptions> = {
  onProgress: true,
  signal: true,
  checkpoint: true,
  checkpointEvery: true,
}
const optionNames = { ...Object.fromEntries(Object.keys(rules).map((name) => [name, true as const])), ...jobOptions }

/** @throws ArgumentError for an option that is unknown, not of this kind, missing, or has a value it cannot have */
export function trainingPlan(options: TrainingOptions): TrainingPlan {
  checkOptions<object>('trainSae', options, optionNames)
  const given = Object.fromEntries(
    Object.entries(options).filter(([name, value]) => value !== undefined && !Object.hasOwn(jobOptions, name)),
  )
  for (const [name, value] of Object.entries(given)) check(name, value)
  for (const name of ['hook', 'dSae', 'steps']) if (given[name] === undefined) check(name, undefined)
  checkJob(options)
  const { architecture = 'standard' } = options
  checkKind(given, architecture)
  return withDefaults(options, architecture, given)
}

/** Also the defaults of other kinds: checkpoints are compared by them, and have held them from the first. */
function withDefaults(
  { steps: total, batchSize = 4096 }: CommonTraining,
  architecture: Trainable,
  given: Readonly<Record<string, unknown>>,
): TrainingPlan {
  const part = (of: number) => Math.ceil(total / of)
  const hasAuxiliaryLoss = architecture === 'topk' || architecture === 'batchtopk'
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
    resampleAt: hasAuxiliaryLoss ? [] : [part(3), part(2), Math.ceil((2 * total) / 3)],
    logEvery: part(100),
    ...given,
  } as unknown as TrainingPlan
}

function check(name: string, value: unknown): void {
  const rule = rules[name]
  if (!rule || rule.valid(value)) return
  const hint = rule.names && typeof value === 'string' ? didYouMean(value, rule.names) : ''
  throw new ArgumentError(`trainSae: ${name} is ${shown(value)}. It must be ${rule.right}.${hint}`)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  return typeof value === 'number' ? String(value) : JSON.stringify(value)
}

function checkKind(given: Readonly<Record<string, unknown>>, architecture: Trainable): void {
  const foreign = Object.keys(given).find((name) => !Object.hasOwn(common, name) && !own[architecture][name])
  if (foreign !== undefined) {
    const kinds = trainable.filter((kind) => own[kind][foreign])
    throw new ArgumentError(
      `trainSae: ${foreign} is an option of ${kinds.join(' and ')} SAEs. Leave it out for '${architecture}'.`,
    )
  }
  const { k, dSae } = given as { readonly k?: number; readonly dSae: number }
  if (!own[architecture]['k'] || (k !== undefined && k <= dSae)) return
  throw new ArgumentError(
    `trainSae: k is ${String(k)}. A ${architecture} SAE of ${dSae} latents needs a whole number from 1 to ${dSae}.`,
  )
}

function checkJob({ checkpoint, checkpointEvery }: TrainingJobOptions): void {
  if (checkpoint !== undefined && (typeof checkpoint !== 'string' || checkpoint === '')) {
    throw new ArgumentError(`trainSae: checkpoint is ${JSON.stringify(checkpoint)}. Name a folder to write to.`)
  }
  if (checkpointEvery === undefined || count.valid(checkpointEvery)) return
  throw new ArgumentError(
    `trainSae: checkpointEvery is ${String(checkpointEvery)}. It must be a whole number of steps from 1 up.`,
  )
}
