/** cfg.json in the words of SAELens 6. */
import type { JsonRecord } from '../../lib/transformer/config-reader.js'
import type { SaeConfig } from '../config.js'
import { processingNames } from './sae-files.js'

/** The version whose keys are written; without one of 6 or later SAELens takes a config for an old one. */
const VERSION = '6.5.3'

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

/** Arguments besides the processing flags. */
function keptKwargs(known: JsonRecord): JsonRecord {
  const kwargs = known['model_from_pretrained_kwargs']
  return typeof kwargs === 'object' && kwargs !== null ? (kwargs as JsonRecord) : {}
}
