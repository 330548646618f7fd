/** What a training reads: activations of given data, batch after batch without end, on the scale that is trained on. */
import type * as tf from '@tensorflow/tfjs'
import type { ActivationBatch, ActivationData } from '../../lib/data/activation-data.js'
import { tokenPoint, widthOf, type TokenPoint } from '../../lib/data/activation-run.js'
import { modelActivations } from '../../lib/data/model-activations.js'
import type { DataPosition, TokenData } from '../../lib/data/token-data.js'
import { ArgumentError, FileError, MismatchError } from '../../lib/errors/errors.js'
import type { HookedModel } from '../../lib/model.js'
import type { SaeConfig } from '../config.js'
import type { Identity } from './checkpoint.js'
import type { TrainingConfig, TrainingPlan } from './config.js'
import type { Progress } from './state.js'

export type TrainingData = TokenData | ActivationData

const isActivations = (data: TrainingData): data is ActivationData => 'width' in data

/** @throws HookError for an unknown point, MismatchError for activations of another, ArgumentError */
export async function activationsOf(
  view: HookedModel,
  data: TrainingData,
  plan: TrainingPlan,
  config: TrainingConfig,
): Promise<{ data: ActivationData; site: TokenPoint }> {
  const { hook, batchSize, bufferRows, exclude, seed } = plan
  const site = tokenPoint('trainSae', view, hook)
  if (!isActivations(data)) {
    const options = { hook, rows: batchSize, shuffle: { seed, bufferRows }, exclude }
    return { data: await modelActivations(view, data, options), site }
  }
  const idle = (['batchSize', 'bufferRows', 'exclude'] as const).find((name) => config[name] !== undefined)
  if (idle) {
    throw new ArgumentError(
      `trainSae: ${idle} is for data of tokens, and this is activations, which come in batches of their own. Leave it out.`,
    )
  }
  const { hook: theirs = hook } = data.about
  if (theirs !== hook || data.width !== widthOf(site)) {
    throw new MismatchError(
      `trainSae: the data has activations of '${String(theirs)}' with ${data.width} numbers, and ${hook} of ${view.name} has ${widthOf(site)}. Use data of that hook point.`,
    )
  }
  return { data, site }
}

/** What decides how a training goes; the backend does not, but for rounding. */
export async function identityOf(view: HookedModel, data: TrainingData, plan: TrainingPlan): Promise<Identity> {
  const { model, modelFiles, processing, saes, hooks } = await view.provenance()
  const identity = { config: plan, data: data.about, model: { model, modelFiles, processing, saes, hooks } }
  return JSON.parse(JSON.stringify(identity)) as Identity
}

/** The config of the SAE that comes out. */
export function trainedConfig(view: HookedModel, data: TrainingData, plan: TrainingPlan, site: TokenPoint): SaeConfig {
  const tokens = (data.about['data'] ?? data.about) as Readonly<Record<string, unknown>>
  const { positions, bos } = tokens
  return {
    architecture: plan.architecture === 'batchtopk' ? 'jumprelu' : plan.architecture,
    dIn: widthOf(site),
    dSae: plan.dSae,
    hookName: plan.hook,
    applyBDecToInput: true,
    normalization: 'none',
    flattenHeads: site.shape.length > 1,
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

/** Batches from where the training stands, the data read as often as it takes. @throws FileError for data without any */
export async function* endless(
  data: ActivationData,
  { position, epoch }: Progress,
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
