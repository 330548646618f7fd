/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971; Llama 3 herd of models, arXiv:2407.21783), of which SmolLM and TinyLlama
 * are. The forward pass and its hook points: lib/transformer/decoder.ts.
 */
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

export type LlamaConfig = DecoderConfig

function readConfig(json: Record<string, unknown>): LlamaConfig {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['attention_bias', 'mlp_bias'])
  const activation = read.oneOf('hidden_act', activationNames, 'silu')
  return { modelType: 'llama', ...readDecoder(read, { activation, tied: false }) }
}

// Hugging Face name → ours
const blockTensors = (c: LlamaConfig): Wanted[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel]],
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel]],
  ...blockMatrices(c),
]

async function fromHuggingFace(
  reader: TensorReader,
  c: LlamaConfig,
  progress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const weights = await collectTensors(reader, decoderTensors(c, blockTensors(c)), decoderBallast(c), progress)
  packQueries(weights, c.nLayers)
  return completeDecoder(weights, c)
}

export const llama: Architecture<LlamaConfig> = {
  modelType: 'llama',
  readConfig,
  hookPoints: (c) => decoderPoints(c),
  forward: decoderForward,
  fromHuggingFace,
  anatomy: (c) => decoderAnatomy(c, { valueBiases: false }),
  dependsOn: (flag, hook) => rmsNormDependsOn(flag, hook, { valueBiases: false }),
  weight: packedWeight,
}
