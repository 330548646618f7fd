/**
 * Gemma, the first (Gemma team 2024, arXiv:2403.08295). Its page is Llama's (llama.ts); norms multiply by 1 + weight, and
 * the embedding is scaled by √D.
 */
import * as tf from '@tensorflow/tfjs'
import { activationNames, type ActivationName } from '../lib/ops/activations.js'
import type { Architecture, RotaryFrame, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { onePlus, type TensorSpec } from '../lib/weights/collect.js'
import { roundedTo } from '../lib/weights/formats/dtypes.js'
import type { NamedTensors } from '../lib/weights/named-tensors.js'
import { readLlamaConfig, refuseFlags, type LlamaConfig } from './llama-config.js'
import { blockMatrices, EMBEDDING, llama, tensorsOf } from './llama.js'

export type GemmaConfig = LlamaConfig

function readConfig(json: Readonly<Record<string, unknown>>): GemmaConfig {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['attention_bias', 'use_bidirectional_attention'])
  return { modelType: 'gemma', ...readLlamaConfig(read, { activation: readActivation(read), tied: true }) }
}

/**
 * `hidden_activation`, or the older `hidden_act`. Where the first releases say 'gelu' there, and nothing else, they were
 * trained with the tanh approximation.
 */
function readActivation(read: ConfigReader): ActivationName {
  if (read.has('hidden_activation')) return read.oneOf('hidden_activation', activationNames)
  const older = read.oneOf('hidden_act', activationNames, 'gelu_pytorch_tanh')
  return older === 'gelu' ? 'gelu_pytorch_tanh' : older
}

// Hugging Face name → ours
const blockTensors = (c: GemmaConfig): TensorSpec[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel], onePlus],
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel], onePlus],
  ...blockMatrices(c),
]

/** √D in the checkpoint's number type, in which the model was trained; the unembedding has no such factor. */
export function addEmbeddingScale(weights: NamedTensors, c: GemmaConfig, infos: TensorReader['infos']): void {
  weights.set('embed.scale', tf.scalar(roundedTo(infos.get(EMBEDDING)?.dtype ?? 'F32', Math.sqrt(c.dModel))))
}

export const gemma: Architecture<GemmaConfig, RotaryFrame> = {
  ...llama,
  modelType: 'gemma',
  readConfig,
  tensors: (_, c) => tensorsOf(c, blockTensors(c), onePlus),
  addWeights: addEmbeddingScale,
}
