/** Saving an SAE as SAELens 6 reads it: cfg.json, sae_weights.safetensors and, where it is known, sparsity.safetensors. */
import { stat, rm } from 'node:fs/promises'
import path from 'node:path'
import type { JsonRecord } from '../lib/transformer/config-reader.js'
import { ArgumentError, FileError } from '../lib/errors/errors.js'
import { writeFileAtomic } from '../lib/files/write-atomic.js'
import type { EncodableTensor } from '../lib/weights/formats/safetensors.js'
import { writeSafetensors } from '../lib/weights/formats/write-safetensors.js'
import type { SaeConfig } from './config.js'
import { processingNames } from './formats/sae-files.js'
import { CONFIG, SPARSITY, WEIGHTS } from './formats/saelens.js'
import type { Sae } from './sae.js'

/** The version whose keys are written; without one of 6 or later SAELens takes a config for an old one. */
const VERSION = '6.5.3'

export interface SaveSaeOptions {
  /** Replace an SAE that lies in the folder. @default false */
  readonly overwrite?: boolean
}

/**
 * Writes an SAE to a folder, which is made if it is not there: `loadSae(folder)` gives the same weights bit for bit, and
 * so does SAELens's `SAE.load_from_disk`. Each file is there whole or not at all, the config last.
 * A standard SAE with top-k is written as the top-k SAE that it is. SAELens 6 has no `tanh-relu` and no scaling factors;
 * those are written in the words of SAELens 5.
 * @throws ArgumentError when the folder holds an SAE already, FileError when it cannot be written
 */
export async function saveSae(sae: Sae, folder: string, options: SaveSaeOptions = {}): Promise<void> {
  const { overwrite = false } = options
  if (folder === '') throw new ArgumentError("saveSae: the folder is ''. Name a folder.")
  const [config, weights, sparsity] = [CONFIG, WEIGHTS, SPARSITY].map((file) => path.join(folder, file)) as [
    string,
    string,
    string,
  ]
  const there = await Promise.all([config, weights].map((file) => stat(file).catch(() => undefined)))
  if (!overwrite && there.some(Boolean)) {
    throw new ArgumentError(
      `saveSae: '${folder}' holds an SAE already. Name another folder, or pass overwrite: true to replace it.`,
    )
  }
  const tensors = await tensorsOf(sae)
  await remove(config) // what is replaced must not be read with the new weights
  await writeSafetensors(weights, tensors)
  if (sae.logSparsity) {
    const values = sae.logSparsity
    await writeSafetensors(sparsity, new Map([['sparsity', { shape: [values.length], values }]]))
  } else await remove(sparsity)
  await writeFileAtomic(config, JSON.stringify(configJson(sae.config)))
}

async function remove(file: string): Promise<void> {
  await rm(file, { force: true }).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FileError(`saveSae: cannot replace '${file}' (${reason}). Name a folder you can write to.`, { cause })
  })
}

async function tensorsOf(sae: Sae): Promise<Map<string, EncodableTensor>> {
  const tensors = new Map<string, EncodableTensor>()
  for (const [name, shape] of Object.entries(sae.weightShapes())) {
    tensors.set(name, { shape, values: (await sae.weight(name).data()) as Float32Array })
  }
  return tensors
}

/** cfg.json as SAELens 6 writes it; with the keys of SAELens 5 where 6 has no such SAE. */
export function configJson(config: SaeConfig): JsonRecord {
  const common = {
    d_in: config.dIn,
    d_sae: config.dSae,
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: config.applyBDecToInput,
    normalize_activations: config.normalization,
    reshape_activations: config.flattenHeads ? 'hook_z' : 'none',
    ...(config.k !== undefined && { k: config.k }),
    ...(config.dOut !== undefined && { d_out: config.dOut }),
  }
  const { activation, hasScalingFactor } = config
  // what version 5 calls standard with top-k is a top-k SAE, and computes the same
  const architecture = activation === 'topk' ? 'topk' : config.architecture
  if (activation !== 'tanh-relu' && !hasScalingFactor)
    return { ...common, metadata: metadataJson(config), architecture }
  const { sae_lens_version: _, ...metadata } = metadataJson(config)
  return {
    ...common,
    ...metadata,
    architecture,
    activation_fn_str: activation ?? (config.k === undefined ? 'relu' : 'topk'),
    activation_fn_kwargs: config.k === undefined ? {} : { k: config.k },
    finetuning_scaling_factor: hasScalingFactor,
  }
}

/** What the SAE's own file said of the training, with what is known. */
function metadataJson(config: SaeConfig): JsonRecord {
  const kwargs = Object.entries(config.processing).map(([flag, value]) => [
    processingNames[flag as keyof typeof processingNames],
    value,
  ])
  const known = config.metadata ?? {}
  const version = known['sae_lens_version']
  return {
    sae_lens_version: typeof version === 'string' && /^([6-9]|\d\d)/.test(version) ? version : VERSION,
    sae_lens_training_version: null,
    ...withoutVersion(known),
    model_name: config.modelName ?? null,
    hook_name: config.hookName,
    hook_head_index: null,
    context_size: config.contextSize ?? null,
    prepend_bos: config.prependBos ?? true,
    neuronpedia_id: config.neuronpediaId ?? null,
    model_from_pretrained_kwargs: { ...keptKwargs(known), ...Object.fromEntries(kwargs) },
    ...(config.hookNameOut !== undefined && { hook_name_out: config.hookNameOut }),
  }
}

function withoutVersion({ sae_lens_version: _, ...rest }: JsonRecord): JsonRecord {
  return rest
}

/** Arguments beside the processing flags. */
function keptKwargs(known: JsonRecord): JsonRecord {
  const kwargs = known['model_from_pretrained_kwargs']
  return typeof kwargs === 'object' && kwargs !== null ? (kwargs as JsonRecord) : {}
}
