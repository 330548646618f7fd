/** What can be told of a view: a line for the reader, facts for SAEs, provenance for results. */
import * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from '../transformer/architecture.js'
import { backendInfo } from '../backend/backend.js'
import type { HookPoint } from './hooks.js'
import { hookPoints } from '../transformer/hook-points.js'
import { dependsOn } from '../transformer/processing-effects.js'
import { libraryVersion, type Provenance } from '../report/result/provenance.js'
import { Table } from '../report/table/table.js'
import type { ModelFacts } from './splice.js'
import { featureShape, shapeIn } from './axes.js'
import type { LoadedModel, View } from './view.js'

/** What decides whether an SAE fits the model. */
export function modelFacts({ architecture, config, processing, name }: LoadedModel): ModelFacts {
  const traits = architecture.traits(config)
  const points = hookPoints(config, traits)
  return {
    name,
    dModel: config.dModel,
    nLayers: config.nLayers,
    hookPoints: points,
    processing,
    featureShape: (hook) =>
      featureShape(
        points.find((p) => p.name === hook)!,
        config,
      ),
    dependsOn: (flag, hook) => dependsOn(flag, hook, { config, traits }),
  }
}

/** What a result needs so that it can be made again. */
export async function viewProvenance(
  model: LoadedModel,
  view: View,
  options: { prependBos?: boolean; seed?: number },
): Promise<Provenance> {
  const backend = backendInfo()
  return {
    library: `tfjs-lens ${libraryVersion}`,
    backend: backend ? `${backend.name} (${backend.detail})` : tf.getBackend(),
    model: model.name,
    modelFiles: await model.files(),
    processing: { ...model.processing },
    ...(view.attached.length > 0 && { saes: view.attached.map(({ sae }) => sae.label) }),
    ...(view.hooks.length > 0 && { hooks: view.hooks.map(({ name }) => name) }),
    ...options,
  }
}

/** The model's sizes, its processing, and what this view adds, in one line. */
export function viewSummary({ name, config, processing, weights }: LoadedModel, view: View): string {
  const { modelType, nLayers, nHeads, dModel, dVocab, nCtx } = config
  const done = Object.entries(processing).flatMap(([flag, on]) => (on ? [flag] : []))
  const kept = weights.derivedCount
  const parts = [
    `${name}: ${modelType}, ${nLayers} layers, ${nHeads} heads, d_model ${dModel}, vocabulary ${dVocab}, context ${nCtx}`,
    `${(weights.parameterCount / 1e6).toFixed(2)} M numbers, processing: ${done.join(', ') || 'none'}`,
    ...(kept > 0 ? [`${(kept / 1e6).toFixed(2)} M more in derived weights`] : []),
    ...view.attached.map(({ sae, readsAt }) => `SAE ${sae.label} at ${readsAt}`),
    ...(view.hooks.length > 0 ? [`${view.hooks.length} hooks`] : []),
    ...(view.stopAt === undefined ? [] : [`stops at layer ${view.stopAt}`]),
  ]
  return `HookedModel ${parts.join(' · ')}`
}

/** Every hook point: its name, its axes, its shape with the model's sizes, and whether it is computed on request only. */
export function hooksTable(config: ModelConfig, points: readonly HookPoint[]): Table {
  // inside an SAE the letters are its own: D is d_in there
  const inModel = ({ name, shape }: HookPoint) => (name.includes('.hook_sae_') ? '' : shapeIn(shape, config))
  const rows = points.map((point) => [point.name, point.shape, inModel(point), point.onRequest ? 'on request' : ''])
  return new Table(['hook point', 'axes', 'shape', 'computed'], rows)
}
