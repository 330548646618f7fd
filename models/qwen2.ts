/**
 * Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671). Its page is Llama's (llama.ts); queries, keys and values have
 * biases.
 */
import { activationNames } from '../lib/ops/activations.js'
import type { Architecture, RotaryFrame } from '../lib/transformer/architecture.js'
import { ConfigReader } from '../lib/transformer/config-reader.js'
import type { TensorSpec } from '../lib/weights/collect.js'
import { readLlamaConfig, refuseFlags, type LlamaConfig } from './llama-config.js'
import { blockMatrices, llama, tensorsOf } from './llama.js'

export type Qwen2Config = LlamaConfig

function readConfig(json: Readonly<Record<string, unknown>>): Qwen2Config {
  const read = new ConfigReader(json, 'config.json')
  refuseFlags(read, ['use_sliding_window'])
  const activation = read.oneOf('hidden_act', activationNames, 'silu')
  return { modelType: 'qwen2', ...readLlamaConfig(read, { activation, tied: false }) }
}

// Hugging Face name → ours. No b_O is stored: zeros take what the value biases are folded to.
const blockTensors = (c: Qwen2Config): TensorSpec[] => [
  ['input_layernorm.weight', 'ln1.w', [c.dModel]],
  ['self_attn.q_proj.bias', 'attn.b_Q', [c.nHeads * c.dHead]],
  ['self_attn.k_proj.bias', 'attn.b_K', [c.nKeyValueHeads * c.dHead]],
  ['self_attn.v_proj.bias', 'attn.b_V', [c.nKeyValueHeads * c.dHead]],
  ['post_attention_layernorm.weight', 'ln2.w', [c.dModel]],
  ...blockMatrices(c),
]

export const qwen2: Architecture<Qwen2Config, RotaryFrame> = {
  ...llama,
  modelType: 'qwen2',
  readConfig,
  traits: (c) => ({ ...llama.traits(c), attentionBiases: true }),
  tensors: (_, c) => tensorsOf(c, blockTensors(c)),
}
