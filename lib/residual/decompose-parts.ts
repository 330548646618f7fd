/**
 * The makers of decompose.ts: labels and stacks of what heads, neurons and biases wrote.
 * Axes: B batch · P position (gone where one position is asked for) · D d_model · H heads · K d_head · M d_mlp
 */
import * as tf from '@tensorflow/tfjs'
import type { Activations } from '../core/activations.js'
import type { DecomposedModel, InnerPartsOptions } from './decompose.js'
import { linearPerHead } from '../ops/linear.js'
import { resolvePosition, sliceRange, type PositionSlice } from '../core/positions.js'

/** What the model adds up before its first block: `embed`, and `pos_embed` where positions are learned. */
export function embeddings(model: DecomposedModel): string[] {
  return ['embed', 'pos_embed'].filter((n) => model.hookNames.includes(`hook_${n}`))
}

/** Whether the blocks have this point. */
export function blocksHave(model: DecomposedModel, point: string): boolean {
  return model.hookNames.includes(`blocks.0.${point}`)
}

/** Layers whose heads wrote to a layer's input: attention comes before the MLP, unless both read resid_pre. */
export function layersOfHeads(model: DecomposedModel, layer: number, ofMlp: boolean): number {
  return ofMlp && blocksHave(model, 'hook_resid_mid') ? layer + 1 : layer
}

/** An activation [B,P,…] at some positions: [B,…] for one, [B,p,…] for a range. */
export function atPositions(x: tf.Tensor, positions: PositionSlice | undefined): tf.Tensor {
  if (positions === undefined) return x
  const length = x.shape[1]!
  const { begin, size } =
    typeof positions === 'number'
      ? { begin: resolvePosition('positions', positions, length), size: 1 }
      : sliceRange(positions, length)
  const slice = x.slice([0, begin], [-1, size])
  return typeof positions === 'number' ? slice.squeeze([1]) : slice
}

export function headLabels(model: DecomposedModel, layers: number): string[] {
  return Array.from(
    { length: layers * model.config.nHeads },
    (_, i) => `L${Math.floor(i / model.config.nHeads)}H${i % model.config.nHeads}`,
  )
}

export function neuronLabels(model: DecomposedModel, layers: number): string[] {
  return Array.from(
    { length: layers * model.config.dMlp },
    (_, i) => `L${Math.floor(i / model.config.dMlp)}N${i % model.config.dMlp}`,
  )
}

/** z · W_O of every head below a layer: [L·H,B,P,D]. */
export function headStack(
  model: DecomposedModel,
  cache: Activations,
  layers: number,
  { positions, beforePostNorm }: InnerPartsOptions,
): tf.Tensor {
  const { nHeads, dModel } = model.config
  const stacks = Array.from({ length: layers }, (_, l) =>
    tf.tidy(() => {
      const z = atPositions(cache.get('z', l), positions) // [B,P,H,K] or [B,H,K]
      const lead = z.shape.slice(0, -2)
      const rows = z.reshape<tf.Tensor3D>([-1, nHeads, z.shape.at(-1)!]).transpose<tf.Tensor3D>([1, 0, 2])
      const W_O = model.copyWeight(`blocks.${l}.attn.W_O`) as tf.Tensor3D
      const results = tf.matMul(rows, W_O).reshape([nHeads, ...lead, dModel])
      const factor = beforePostNorm ? undefined : postNorm(model, cache, `blocks.${l}.ln1_post`, positions)
      return factor ? results.mul(factor) : results
    }),
  )
  return layers === 0 ? tf.zeros([0]) : tf.concat(stacks)
}

/** Activation · row of W_out of every neuron below a layer: [L·M,B,P,D]. */
export function neuronStack(
  model: DecomposedModel,
  cache: Activations,
  layers: number,
  { positions, beforePostNorm }: InnerPartsOptions,
): tf.Tensor {
  const { dMlp, dModel } = model.config
  const stacks = Array.from({ length: layers }, (_, l) =>
    tf.tidy(() => {
      const post = atPositions(cache.get('post', l), positions) // [B,P,M] or [B,M]
      const byNeuron = post.reshape([-1, dMlp]).transpose().expandDims(-1) // [M,rows,1]
      const wrote = byNeuron.mul(model.copyWeight(`blocks.${l}.mlp.W_out`).reshape([dMlp, 1, dModel]))
      const results = wrote.reshape([dMlp, ...post.shape.slice(0, -1), dModel])
      const factor = beforePostNorm ? undefined : postNorm(model, cache, `blocks.${l}.ln2_post`, positions)
      return factor ? results.mul(factor) : results
    }),
  )
  return layers === 0 ? tf.zeros([0]) : tf.concat(stacks)
}

/**
 * What the RMSNorm behind attention or MLP multiplies by, its scale taken as given: [B,P,D]. Undefined for blocks
 * without one.
 */
function postNorm(
  model: DecomposedModel,
  cache: Activations,
  norm: string,
  positions: PositionSlice | undefined,
): tf.Tensor | undefined {
  const scale = `${norm}.hook_scale`
  if (!model.hookNames.includes(scale)) return undefined
  return model.copyWeight(`${norm}.w`).div(atPositions(cache.get(scale), positions))
}

export function accumulatedBias(model: DecomposedModel, attnLayers: number, mlpLayers: number): tf.Tensor {
  const names = [
    ...Array.from({ length: attnLayers }, (_, l) => `blocks.${l}.attn.b_O`),
    ...Array.from({ length: mlpLayers }, (_, l) => `blocks.${l}.mlp.b_out`),
  ]
  return names.reduce<tf.Tensor>((sum, name) => sum.add(model.copyWeight(name)), tf.zeros([model.config.dModel]))
}

/** `attn.hook_result` [B,P,H,D] of each layer that a cache has z of and no result yet, before a post-norm. */
export function headResults(model: DecomposedModel, cache: Activations): [name: string, result: tf.Tensor][] {
  const layers = Array.from({ length: model.config.nLayers }, (_, l) => l)
  return layers
    .filter((l) => cache.has('z', l) && !cache.has('result', l))
    .map((l) => [
      `blocks.${l}.attn.hook_result`,
      tf.tidy(() =>
        linearPerHead(cache.get<tf.Tensor4D>('z', l), model.copyWeight(`blocks.${l}.attn.W_O`) as tf.Tensor3D),
      ),
    ])
}
