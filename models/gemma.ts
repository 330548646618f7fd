/**
 * Gemma, the first (Gemma team 2024, arXiv:2403.08295): norms multiply by 1 + weight, the embedding is scaled by √D.
 * The forward pass and its hook points: lib/transformer/decoder.ts.
 */
import * as tf from '@tensorflow/tfjs'
import type { Architecture, TensorReader } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { readDecoder, refuseFlags, type DecoderConfig } from '../lib/transformer/decoder-config.js'
import {
  blockMatrices,
  decoderAnatomy,
  completeDecoder,
  decoderBallast,
  decoderForward,
  decoderPoints,
  decoderTensors,
  EMBEDDING,
} from '../lib/transformer/decoder.js'
import { activationNames, type ActivationName } from '../lib/ops/activations.js'
import { collectTensors, onePlus, type Wanted } from '../lib/weights/collect.js'
import { roundedTo } from '../lib/weights/formats/dtypes.js'
import { packedWeight, packQueries } from '../lib/weights/packed.js'
import { rmsNormDependsOn, type NamedTensors } from '../lib/weights/process.js'

export type GemmaConfig = DecoderConfig

function readConfig(json: Record<string, unknown>): GemmaConfig {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['attention_bias', 'use_bidirectional_attention'])
  return { modelType: 'gemma', ...readDecoder(read, { activation: readActivation(read), tied: true }) }
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
const blockTensors = (c: GemmaConfig): Wanted[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel], onePlus],
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel], onePlus],
  ...blockMatrices(c),
]

/** √D in the checkpoint's number type, in which the model was trained; the unembedding has no such factor. */
function embeddingScale({ infos }: TensorReader, c: GemmaConfig): number {
  return roundedTo(infos.get(EMBEDDING)?.dtype ?? 'F32', Math.sqrt(c.dModel))
}

async function fromHuggingFace(
  reader: TensorReader,
  c: GemmaConfig,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const weights = await collectTensors(reader, decoderTensors(c, blockTensors(c), onePlus), decoderBallast(c), progress)
  packQueries(weights, c.nLayers)
  weights.set('embed.scale', tf.scalar(embeddingScale(reader, c)))
  return completeDecoder(weights, c)
}

export const gemma: Architecture<GemmaConfig> = {
  modelType: 'gemma',
  readConfig,
  hookPoints: (c) => decoderPoints(c),
  forward: decoderForward,
  fromHuggingFace,
  anatomy: (c) => decoderAnatomy(c, { valueBiases: false }),
  dependsOn: (flag, hook) => rmsNormDependsOn(flag, hook, { valueBiases: false }),
  weight: packedWeight,
}
