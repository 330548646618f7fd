/**
 * The residual stream in parts: what each layer, head, neuron and bias wrote to it, and what each part means for the
 * logits. As TransformerLens's ActivationCache, with its order and labels.
 * Axes: C component · B batch · P position (gone where one position is asked for) · D d_model · H heads · M d_mlp
 */
import * as tf from '@tensorflow/tfjs'
import type { ModelConfig } from '../transformer/architecture.js'
import type { Activations } from '../core/activations.js'
import { ArgumentError, MismatchError, ShapeError } from '../errors/errors.js'
import {
  accumulatedBias,
  atPositions,
  blocksHave,
  embeddings,
  headLabels,
  headStack,
  layersOfHeads,
  neuronLabels,
  neuronStack,
} from './decompose-parts.js'
import type { PositionSlice } from '../core/positions.js'
import { residualDirections } from '../transformer/unembed.js'
import type { ProcessingFlags } from '../weights/process.js'
import type { Weights } from '../weights/weights.js'

/** Parts of the residual stream: stack [C,B,P,D], one label a part. The caller owns the stack. */
export interface Parts {
  readonly stack: tf.Tensor
  readonly labels: readonly string[]
}

/** What is needed of the model that a cache is of. */
export interface DecomposedModel {
  readonly name: string
  readonly config: ModelConfig
  readonly processing: ProcessingFlags
  readonly hookNames: readonly string[]
  readonly weights: Pick<Weights, 'unembeddingColumns'>
  copyWeight(name: string): tf.Tensor
}

export interface PartsOptions {
  /** Up to the input of this layer; −1 or the number of layers is the end. @default -1 */
  readonly layer?: number
  /** Up to the layer's MLP input rather than its attention's. @default false */
  readonly mlpInput?: boolean
  /** One position (its axis goes) or a range [begin, end). @default all */
  readonly positions?: PositionSlice
  /** Apply the norm that follows, as `applyLnToStack`. @default false */
  readonly applyLn?: boolean
}

/** For parts of attention and of MLPs. */
export interface InnerPartsOptions extends PartsOptions {
  /**
   * Where a block has one more norm behind its attention and MLP: take parts in front of it, as TransformerLens does.
   * Such parts do not add up. @default false: parts go through that norm, its scale taken as given, and add up
   */
  readonly beforePostNorm?: boolean
}

/** The residual stream before each layer, and after the last: labels `0_pre`, `0_mid`, …, `final_post`. */
export function accumulatedResid(
  model: DecomposedModel,
  cache: Activations,
  options: PartsOptions & { readonly inclMid?: boolean } = {},
): Parts {
  const { layer, ofMlp, atEnd } = target(model, options)
  if (options.inclMid && !blocksHave(model, 'hook_resid_mid')) {
    throw new ArgumentError(
      `inclMid: the blocks of ${model.name} have no hook_resid_mid, a residual stream between attention and MLP. Leave inclMid out.`,
    )
  }
  const names: [label: string, name: string, layer: number][] = []
  for (let l = 0; l < layer; l++) {
    names.push([`${l}_pre`, 'resid_pre', l])
    if (options.inclMid) names.push([`${l}_mid`, 'resid_mid', l])
  }
  if (atEnd) names.push(['final_post', 'resid_post', layer - 1])
  else names.push([`${layer}_pre`, 'resid_pre', layer])
  if (layersOfHeads(model, layer, ofMlp) > layer) names.push([`${layer}_mid`, 'resid_mid', layer])
  const stack = tf.tidy(() => {
    const states = tf.stack(names.map(([, name, l]) => atPositions(cache.get(name, l), options.positions)))
    return options.applyLn ? ownNorm(model, states) : states
  })
  return { stack, labels: names.map(([label]) => label) }
}

/** What each layer wrote: `embed`, `pos_embed`, `0_attn_out`, `0_mlp_out`, …; they sum to the residual stream. */
export function decomposeResid(
  model: DecomposedModel,
  cache: Activations,
  options: PartsOptions & { readonly mode?: 'all' | 'attn' | 'mlp'; readonly inclEmbeds?: boolean } = {},
): Parts {
  const { mode = 'all', inclEmbeds = true } = options
  const { layer, ofMlp } = target(model, options)
  const names = inclEmbeds ? embeddings(model).map((n) => [n, `hook_${n}`]) : []
  const hasMlp = blocksHave(model, 'hook_mlp_out')
  for (let l = 0; l < layersOfHeads(model, layer, ofMlp); l++) {
    if (mode !== 'mlp') names.push([`${l}_attn_out`, `blocks.${l}.hook_attn_out`])
    if (mode !== 'attn' && hasMlp && l < layer) names.push([`${l}_mlp_out`, `blocks.${l}.hook_mlp_out`])
  }
  return finish(
    model,
    cache,
    options,
    names.map(([label]) => label!),
    () => tf.stack(names.map(([, name]) => atPositions(cache.get(name!), options.positions))),
  )
}

/** What each head wrote, `L0H0` … [C,B,P,D], biases left out; with `inclRemainder` the rest of the residual stream too. */
export function stackHeadResults(
  model: DecomposedModel,
  cache: Activations,
  options: InnerPartsOptions & { readonly inclRemainder?: boolean } = {},
): Parts {
  const { layer, ofMlp, atEnd } = target(model, options)
  const labels = headLabels(model, layer)
  if (options.inclRemainder) labels.push('remainder')
  return finish(model, cache, options, labels, () => {
    const heads = layer === 0 ? undefined : headStack(model, cache, layer, options)
    if (heads && !options.inclRemainder) return heads
    const between = layersOfHeads(model, layer, ofMlp) > layer
    const resid = atEnd ? cache.get('resid_post', layer - 1) : cache.get(between ? 'resid_mid' : 'resid_pre', layer)
    const whole = atPositions(resid, options.positions)
    return heads ? tf.concat([heads, whole.sub(heads.sum(0)).expandDims(0)]) : whole.expandDims(0)
  })
}

/** What each MLP neuron wrote, `L0N0` … [C,B,P,D], biases left out. Large: ask for one position. */
export function stackNeuronResults(model: DecomposedModel, cache: Activations, options: InnerPartsOptions = {}): Parts {
  const { layer } = target(model, options)
  const layers = blocksHave(model, 'hook_mlp_out') ? layer : 0
  return finish(model, cache, options, neuronLabels(model, layers), () => neuronStack(model, cache, layers, options))
}

/**
 * Everything that wrote to the residual stream: heads, then neurons (or whole MLPs), `embed`, `pos_embed`, and `bias`
 * (b_O, and b_out where neurons are apart). The parts sum to the residual stream, unless `beforePostNorm` is set on a
 * model that has such norms.
 */
export function fullResidDecomposition(
  model: DecomposedModel,
  cache: Activations,
  options: InnerPartsOptions & { readonly expandNeurons?: boolean } = {},
): Parts {
  const { expandNeurons = true } = options
  const { layer, ofMlp } = target(model, options)
  const attnLayers = layersOfHeads(model, layer, ofMlp)
  const mlpLayers = blocksHave(model, 'hook_mlp_out') ? layer : 0
  const mlps = Array.from({ length: mlpLayers }, (_, l) => `${l}_mlp_out`)
  const embeds = embeddings(model)
  const labels = [
    ...headLabels(model, attnLayers),
    ...(expandNeurons ? neuronLabels(model, mlpLayers) : mlps),
    ...embeds,
    'bias',
  ]
  return finish(model, cache, options, labels, () => {
    const one = (name: string, l?: number) => atPositions(cache.get(name, l), options.positions).expandDims(0)
    const embedded = embeds.map((n) => one(n))
    const mlp = expandNeurons ? [neuronStack(model, cache, mlpLayers, options)] : mlps.map((_, l) => one('mlp_out', l))
    const bias = accumulatedBias(model, attnLayers, expandNeurons ? mlpLayers : 0)
    const parts = [
      headStack(model, cache, attnLayers, options),
      ...mlp,
      ...embedded,
      tf.zerosLike(embedded[0]!).add(bias),
    ]
    return tf.concat(parts.filter((part) => part.shape[0]! > 0))
  })
}

/**
 * Parts as the norm behind them sees them: centred (LayerNorm) and divided by the cached scale of that norm, without
 * its weight. Linear, so parts still sum to the whole. The caller owns the result.
 * @throws MismatchError when the norm's weights are not folded: the result would leave them out.
 */
export function applyLnToStack(
  model: DecomposedModel,
  cache: Activations,
  stack: tf.Tensor,
  options: PartsOptions = {},
): tf.Tensor {
  if (!model.processing.foldLn) {
    throw new MismatchError(
      `applyLnToStack: ${model.name} was loaded with foldLn: false, so its norm weights would be left out. Load it with process: { foldLn: true }.`,
    )
  }
  const { layer, ofMlp, atEnd } = target(model, options)
  const name = atEnd ? 'ln_final.hook_scale' : `blocks.${layer}.${ofMlp ? 'ln2' : 'ln1'}.hook_scale`
  return tf.tidy(() => {
    const scale = atPositions(cache.get(name), options.positions)
    checkStack(stack, scale)
    const centred = model.config.normalization === 'LN' ? stack.sub(stack.mean(-1, true)) : stack
    return centred.div(scale)
  })
}

/** @throws ShapeError when stack and scale would only fit by broadcasting. */
function checkStack(stack: tf.Tensor, scale: tf.Tensor): void {
  const rows = scale.shape.slice(0, -1)
  if (stack.rank === scale.rank + 1 && rows.every((n, i) => n === stack.shape[i + 1])) return
  throw new ShapeError(
    `applyLnToStack: the stack has shape [${stack.shape}]. With these positions it must be [C,${rows},D]: give the same positions to both.`,
  )
}

/**
 * What each part adds to a token's logit: parts through the final norm, then the dot product with W_U[:, token]
 * (− W_U[:, wrong]). stack [C,B,P,D] → [C,B,P]; `tokens` one id, or one for each prompt. Bias b_U is not part of any
 * component. Where logits are soft-capped (`config.finalSoftCap`), the parts of everything and b_U sum to the logit
 * before its cap, `unembed.hook_out`: what comes out of a tanh has no parts. The caller owns the result.
 */
export function logitAttrs(
  model: DecomposedModel,
  cache: Activations,
  stack: tf.Tensor,
  tokens: number | readonly number[],
  options: { readonly incorrect?: number | readonly number[]; readonly positions?: PositionSlice } = {},
): tf.Tensor {
  return tf.tidy(() => {
    const right = answerDirections(model, cache, tokens)
    const direction =
      options.incorrect === undefined ? right : right.sub(answerDirections(model, cache, options.incorrect))
    const scaled = applyLnToStack(
      model,
      cache,
      stack,
      options.positions === undefined ? {} : { positions: options.positions },
    )
    const [rows, width] = direction.shape as [number, number]
    // [B,D] lines up with [C,B,P,D] by the batch, never by the position, also where both have one length
    const lined = rows === 1 || stack.rank === 3 ? direction : direction.reshape([rows, 1, width])
    return scaled.mul(lined).sum(-1)
  })
}

/** One direction for all prompts [1,D] or one for each [B,D]. */
function answerDirections(model: DecomposedModel, cache: Activations, tokens: number | readonly number[]) {
  const count = [tokens].flat().length
  if (count === 1 || count === cache.tokens.batch) return residualDirections(model, tokens)
  throw new ArgumentError(
    `logitAttrs: there are ${count} tokens for ${cache.tokens.batch} prompts. Give one for all or one for each.`,
  )
}

// ---- the parts of the parts

/** Layers below, and whether they end at the whole model or at the MLP's input of the next one. */
function target(model: DecomposedModel, { layer = -1, mlpInput = false }: PartsOptions) {
  const { nLayers } = model.config
  if (!Number.isInteger(layer) || layer < -1 || layer > nLayers) {
    throw new ArgumentError(
      `layer: ${layer} is not a layer of ${model.name}. Give 0 to ${nLayers - 1}, or ${nLayers} or -1 for the end.`,
    )
  }
  const atEnd = layer === -1 || layer === nLayers
  const ofMlp = mlpInput && !atEnd
  if (ofMlp && !blocksHave(model, 'hook_mlp_out')) {
    throw new ArgumentError(`mlpInput: the blocks of ${model.name} have no MLP. Leave mlpInput out.`)
  }
  return { layer: atEnd ? nLayers : layer, ofMlp, atEnd }
}

function finish(
  model: DecomposedModel,
  cache: Activations,
  options: PartsOptions,
  labels: readonly string[],
  make: () => tf.Tensor,
): Parts {
  if (labels.length === 0) {
    throw new ArgumentError(`layer: nothing of this kind is written before layer ${options.layer}. Give a later layer.`)
  }
  const stack = tf.tidy(() => (options.applyLn ? applyLnToStack(model, cache, make(), options) : make()))
  return { stack, labels }
}

/** The final norm on states, each with its own scale (the logit lens). */
function ownNorm(model: DecomposedModel, states: tf.Tensor): tf.Tensor {
  const { normalization, eps } = model.config
  const centred = normalization === 'LN' ? states.sub(states.mean(-1, true)) : states
  const normed = centred.div(centred.square().mean(-1, true).add(eps).sqrt())
  if (model.processing.foldLn) return normed
  return normed.mul(model.copyWeight('ln_final.w')).add(normalization === 'LN' ? model.copyWeight('ln_final.b') : 0)
}
