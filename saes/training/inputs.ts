/** What a training reads: activations of given data, batch after batch without end, on the scale that is trained on. */
import type * as tf from '@tensorflow/tfjs'
import type { ActivationBatch, ActivationData } from '../../lib/data/activation-data.js'
import { tokenPoint, widthOf, type TokenPoint } from '../../lib/data/activation-run.js'
import { modelActivations } from '../../lib/data/model-activations.js'
import type { DataPosition, TokenData } from '../../lib/data/token-data.js'
import { ArgumentError, FileError, MismatchError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import type { SaeConfig } from '../config.js'
import type { TrainingIdentity } from './checkpoint.js'
import type { TrainingConfig } from './config.js'
import type { TrainingPlan } from './plan.js'
import type { TrainingProgress } from './state.js'

/** What is trained on: tokens that the model runs on, or activations that were harvested. */
export type TrainingData = TokenData | ActivationData

const isActivations = (data: TrainingData): data is ActivationData => 'width' in data

/** What to train on, and where it comes from. */
export interface Inputs {
  readonly view: HookedModel
  readonly data: TrainingData
  readonly plan: TrainingPlan
}

/** The activations, and the hook point with its shape. */
export interface TrainingActivations {
  readonly activations: ActivationData
  readonly point: TokenPoint
}

/** @throws HookError for an unknown point, MismatchError for activations of another, ArgumentError */
export async function trainingActivations(inputs: Inputs, given: TrainingConfig): Promise<TrainingActivations> {
  const { view, data, plan } = inputs
  const { hook, batchSize, bufferRows, exclude, seed } = plan
  const point = tokenPoint('trainSae', view, hook)
  if (isActivations(data)) {
    checkIdle(given)
    checkActivations(data, point, view)
    return { activations: data, point }
  }
  const options = { hook, rows: batchSize, shuffle: { seed, bufferRows }, exclude }
  return { activations: await modelActivations(view, data, options), point }
}

function checkIdle(given: TrainingConfig): void {
  const idle = (['batchSize', 'bufferRows', 'exclude'] as const).find((name) => given[name] !== undefined)
  if (idle === undefined) return
  throw new ArgumentError(
    `trainSae: ${idle} is for data of tokens, and this is activations, which come in batches of their own. ` +
      'Leave it out.',
  )
}

function checkActivations({ about, width }: ActivationData, point: TokenPoint, view: HookedModel): void {
  const { hook = point.name } = about
  if (hook === point.name && width === widthOf(point)) return
  throw new MismatchError(
    `trainSae: the data has activations of '${String(hook)}' with ${width} numbers, and ${point.name} of ` +
      `${view.name} has ${widthOf(point)}. Use data of that hook point.`,
  )
}

/** What decides how a training goes; the backend does not, but for rounding. */
export async function identityOf({ view, data, plan }: Inputs): Promise<TrainingIdentity> {
  const { model, modelFiles, processing, saes, hooks } = await view.provenance()
  const identity = { config: plan, data: data.about, model: { model, modelFiles, processing, saes, hooks } }
  return JSON.parse(JSON.stringify(identity)) as TrainingIdentity
}

/** The config of the SAE that comes out. */
export function trainedConfig({ view, data, plan }: Inputs, point: TokenPoint): SaeConfig {
  const tokens = (data.about['data'] ?? data.about) as Readonly<Record<string, unknown>>
  const { positions, bos } = tokens
  return {
    architecture: plan.architecture === 'batchtopk' ? 'jumprelu' : plan.architecture,
    dIn: widthOf(point),
    dSae: plan.dSae,
    hookName: plan.hook,
    applyBDecToInput: true,
    normalization: 'none',
    flattenHeads: point.shape.length > 1,
    hasScalingFactor: false,
    processing: { ...view.processing },
    modelName: view.name,
    ...(plan.architecture === 'topk' && { k: plan.k }),
    ...(typeof positions === 'number' && { contextSize: positions, prependBos: bos !== undefined }),
  }
}

/** Scaled inputs; the batch is disposed. */
export function scaled(rows: tf.Tensor2D, scale: number): tf.Tensor2D {
  try {
    return rows.mul(scale)
  } finally {
    rows.dispose()
  }
}

/** Batches from where the training stands, the data read as often as it takes. @throws FileError for empty data */
export async function* endless(
  data: ActivationData,
  { position, epoch }: TrainingProgress,
): AsyncGenerator<ActivationBatch & { epoch: number }> {
  let from: DataPosition | undefined = position ?? undefined
  for (let reading = epoch; ; reading++) {
    let read = false
    for await (const batch of data.batches(from)) {
      read = true
      yield { ...batch, epoch: reading }
    }
    if (!read && from === undefined)
      throw new FileError('trainSae: the data has no activations. Leave out fewer tokens, or give more data.')
    from = undefined
  }
}
