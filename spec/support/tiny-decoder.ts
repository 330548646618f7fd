/**
 * Decoders of rotary positions, RMSNorm and shared key/value heads, tiny, with seeded random weights: a folder or
 * loaded.
 */
import type { HookedModel } from '../../lib/model.js'
import { random } from '../../lib/stats/random.js'
import { encodeSafetensors } from '../../lib/weights/formats/safetensors.js'
import { loadModel, type LoadOptions } from '../../models/load-model.js'
import type { TensorRecord } from './tiny-gpt2.js'
import { withFolder } from './weight-files.js'

export type Family = 'llama' | 'qwen2' | 'gemma' | 'gemma2'

/** 3 layers, 4 heads of 6 (not 14 / 4) that share 2 of keys and values, 20 neurons, 24 positions, 23 tokens. */
const sizes = {
  num_hidden_layers: 3,
  hidden_size: 14,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 6,
  intermediate_size: 20,
  max_position_embeddings: 24,
  vocab_size: 23,
  rms_norm_eps: 0.01, // large, so that leaving it out shows
  rope_theta: 50,
}

const own: Record<Family, Record<string, unknown>> = {
  llama: { hidden_act: 'silu', tie_word_embeddings: false },
  qwen2: { hidden_act: 'silu', tie_word_embeddings: true },
  gemma: { hidden_activation: 'gelu_pytorch_tanh' },
  gemma2: {
    hidden_activation: 'gelu_pytorch_tanh',
    sliding_window: 3,
    query_pre_attn_scalar: 11,
    attn_logit_softcapping: 1.5,
    final_logit_softcapping: 2.5,
  },
}

export function tinyDecoderConfig(family: Family): Record<string, unknown> {
  return { model_type: family, ...sizes, ...own[family] }
}

export interface TinyDecoderOptions {
  readonly seed?: number
  /** Fields of config.json in place of the defaults; undefined leaves one out. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Changes the tensors before they are written. */
  readonly edit?: (tensors: TensorRecord) => void
}

/** Every tensor of the checkpoint under the hub's names. */
export function tinyDecoderTensors(family: Family, seed = 1): TensorRecord {
  const { normal } = random(seed)
  const make = (shape: number[], deviation: number, mean = 0) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => mean + deviation * normal()),
  })
  const { hidden_size: D, intermediate_size: M, vocab_size: V, head_dim: K } = sizes
  const [H, G] = [sizes.num_attention_heads * K, sizes.num_key_value_heads * K]
  const isGemma = family.startsWith('gemma')
  const norm = () => make([D], 0.3, isGemma ? 0 : 1)
  const tensors: TensorRecord = { 'model.embed_tokens.weight': make([V, D], isGemma ? 0.2 : 0.6) }
  for (let l = 0; l < sizes.num_hidden_layers; l++) {
    const block: TensorRecord = {
      'input_layernorm.weight': norm(),
      'self_attn.q_proj.weight': make([H, D], 0.3),
      'self_attn.k_proj.weight': make([G, D], 0.3),
      'self_attn.v_proj.weight': make([G, D], 0.3),
      'self_attn.o_proj.weight': make([D, H], 0.25),
      'post_attention_layernorm.weight': norm(),
      'mlp.gate_proj.weight': make([M, D], 0.3),
      'mlp.up_proj.weight': make([M, D], 0.3),
      'mlp.down_proj.weight': make([D, M], 0.25),
    }
    if (family === 'qwen2') {
      block['self_attn.q_proj.bias'] = make([H], 0.4)
      block['self_attn.k_proj.bias'] = make([G], 0.4)
      block['self_attn.v_proj.bias'] = make([G], 0.4)
    }
    if (family === 'gemma2') {
      block['pre_feedforward_layernorm.weight'] = norm()
      block['post_feedforward_layernorm.weight'] = norm()
    }
    for (const [name, tensor] of Object.entries(block)) tensors[`model.layers.${l}.${name}`] = tensor
  }
  tensors['model.norm.weight'] = norm()
  if (family === 'llama') tensors['lm_head.weight'] = make([V, D], 0.6)
  return tensors
}

/** The files of the model's folder: no tokenizer, so it takes ids only. */
export function tinyDecoderFiles(family: Family, { seed, config, edit }: TinyDecoderOptions = {}) {
  const tensors = tinyDecoderTensors(family, seed)
  edit?.(tensors)
  return {
    'config.json': JSON.stringify({ ...tinyDecoderConfig(family), ...config }),
    'model.safetensors': encodeSafetensors(tensors),
  }
}

/** The model, loaded from a folder that is gone afterwards. The caller disposes it. */
export async function tinyDecoder(
  family: Family,
  options: TinyDecoderOptions & LoadOptions = {},
): Promise<HookedModel> {
  let model: HookedModel | undefined
  await withFolder(tinyDecoderFiles(family, options), async (folder) => {
    model = await loadModel(folder, options)
  })
  return model!
}
