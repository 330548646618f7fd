/**
 * Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671): queries, keys and values have biases.
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
} from '../lib/transformer/decoder.js'
import { activationNames } from '../lib/ops/activations.js'
import { collectTensors, type Wanted } from '../lib/weights/collect.js'
import { packedWeight, packQueries } from '../lib/weights/packed.js'
import { rmsNormDependsOn, type NamedTensors } from '../lib/weights/process.js'

export type Qwen2Config = DecoderConfig

function readConfig(json: Record<string, unknown>): Qwen2Config {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['use_sliding_window'])
  const activation = read.oneOf('hidden_act', activationNames, 'silu')
  return { modelType: 'qwen2', ...readDecoder(read, { activation, tied: false }) }
}

// Hugging Face name → ours
const blockTensors = (c: Qwen2Config): Wanted[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel]],
  ['self_attn.q_proj.bias', 'attn.b_Q', [c.nHeads * c.dHead]],
  ['self_attn.k_proj.bias', 'attn.b_K', [c.nKeyValueHeads * c.dHead]],
  ['self_attn.v_proj.bias', 'attn.b_V', [c.nKeyValueHeads * c.dHead]],
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel]],
  ...blockMatrices(c),
]

async function fromHuggingFace(
  reader: TensorReader,
  c: Qwen2Config,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const weights = await collectTensors(reader, decoderTensors(c, blockTensors(c)), decoderBallast(c), progress)
  packQueries(weights, c.nLayers)
  // none is stored: it takes what the value biases are folded to
  for (let l = 0; l < c.nLayers; l++) weights.set(`blocks.${l}.attn.b_O`, tf.zeros([c.dModel]))
  return completeDecoder(weights, c)
}

export const qwen2: Architecture<Qwen2Config> = {
  modelType: 'qwen2',
  readConfig,
  hookPoints: (c) => decoderPoints(c),
  forward: decoderForward,
  fromHuggingFace,
  anatomy: (c) => decoderAnatomy(c, { valueBiases: true }),
  dependsOn: (flag, hook) => rmsNormDependsOn(flag, hook, { valueBiases: true }),
  weight: packedWeight,
}
