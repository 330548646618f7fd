/** A GPT-2 small enough for finite differences, with seeded random weights, as a folder or loaded. */
import { random } from '../../lib/stats/random.js'
import { encodeSafetensors } from '../../lib/weights/formats/safetensors.js'
import { loadModel, type LoadOptions } from '../../models/load-model.js'
import type { HookedModel } from '../../lib/model.js'
import { withFolder } from './weight-files.js'

/** 2 layers, 3 heads of 4, 20 neurons (not 4 · 12), 10 positions, 23 tokens. */
export const tinyConfig = {
  model_type: 'gpt2',
  activation_function: 'gelu_new',
  n_layer: 2,
  n_embd: 12,
  n_head: 3,
  n_inner: 20,
  n_positions: 10,
  vocab_size: 23,
  layer_norm_epsilon: 1e-5,
}

export type TensorRecord = Record<string, { shape: number[]; values: Float32Array }>

export interface TinyOptions {
  readonly seed?: number
  /** Fields of config.json in place of the defaults; undefined leaves one out. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Changes the tensors before they are written. */
  readonly edit?: (tensors: TensorRecord) => void
}

/**
 * Every tensor of the checkpoint under the hub's names: biases and norm weights are random too, so that all of them
 * count.
 */
export function tinyTensors(seed = 1): TensorRecord {
  const { normal } = random(seed)
  const make = (shape: number[], deviation: number, mean = 0) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => mean + deviation * normal()),
  })
  const { n_layer: layers, n_embd: D, n_inner: M, n_positions: positions, vocab_size: V } = tinyConfig
  const tensors: TensorRecord = {
    'transformer.wte.weight': make([V, D], 0.7),
    'transformer.wpe.weight': make([positions, D], 0.4),
  }
  for (let l = 0; l < layers; l++) {
    const block: TensorRecord = {
      'ln_1.weight': make([D], 0.3, 1),
      'ln_1.bias': make([D], 0.2),
      'attn.c_attn.weight': make([D, 3 * D], 0.35),
      'attn.c_attn.bias': make([3 * D], 0.2),
      'attn.c_proj.weight': make([D, D], 0.3),
      'attn.c_proj.bias': make([D], 0.2),
      'ln_2.weight': make([D], 0.3, 1),
      'ln_2.bias': make([D], 0.2),
      'mlp.c_fc.weight': make([D, M], 0.3),
      'mlp.c_fc.bias': make([M], 0.2),
      'mlp.c_proj.weight': make([M, D], 0.25),
      'mlp.c_proj.bias': make([D], 0.2),
    }
    for (const [name, tensor] of Object.entries(block)) tensors[`transformer.h.${l}.${name}`] = tensor
  }
  tensors['transformer.ln_f.weight'] = make([D], 0.3, 1)
  tensors['transformer.ln_f.bias'] = make([D], 0.2)
  return tensors
}

/** The files of the model's folder: no tokenizer, so it takes ids only. */
export function tinyFiles({ seed, config, edit }: TinyOptions = {}): Record<string, string | Uint8Array> {
  const tensors = tinyTensors(seed)
  edit?.(tensors)
  return {
    'config.json': JSON.stringify({ ...tinyConfig, ...config }),
    'model.safetensors': encodeSafetensors(tensors),
  }
}

/** The model, loaded from a folder that is gone afterwards. The caller disposes it. */
export async function tinyModel(options: TinyOptions & LoadOptions = {}): Promise<HookedModel> {
  let model: HookedModel | undefined
  await withFolder(tinyFiles(options), async (folder) => {
    model = await loadModel(folder, options)
  })
  return model!
}

/** The same with its first backward pass made, so that the transposes it keeps are no leak of a test. */
export async function warmTinyModel(options: TinyOptions & LoadOptions = {}): Promise<HookedModel> {
  const model = await tinyModel(options)
  model.runWithGradients([0, 1], { metric: (logits) => logits.sum(), names: 'hook_embed' }).dispose()
  return model
}
