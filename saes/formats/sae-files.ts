/** What every layout of SAE files is read as, and what is alike in reading them. */
import type { JsonRecord } from '../../lib/transformer/config-reader.js'
import { ArgumentError, ConfigError, FileError } from '../../lib/errors/errors.js'
import type { OptionNames } from '../../lib/errors/options.js'
import { didYouMean } from '../../lib/errors/nearest.js'
import { isJsonObject } from '../../lib/files/json-file.js'
import type { ProcessingFlags } from '../../lib/weights/process.js'
import { fewNames } from '../../lib/errors/brief.js'
import { readSaeConfig, type Normalization, type SaeConfig } from '../config.js'
import type { StoredTensors } from './stored-tensors.js'

/** What a folder or file holds, its tensors not read yet. Whoever opened it closes it. */
export interface OpenSae {
  readonly config: SaeConfig
  readonly tensors: StoredTensors
  /** log10 of how often each latent fires [S]. */
  readonly logSparsity?: Float32Array
  close(): Promise<void>
}

/** What is known of an SAE besides its files; it counts more than what they say. */
export interface SaeFacts {
  /** The hook point it was trained on. */
  readonly hookName?: string
  /** Of a transcoder: the hook point it writes at. */
  readonly hookNameOut?: string
  readonly modelName?: string
  readonly architecture?: string
  /** Weight processing of the model it was trained on; a flag that is left out is taken from the file. */
  readonly processing?: Partial<ProcessingFlags>
  readonly applyBDecToInput?: boolean
  readonly normalization?: Normalization
  readonly prependBos?: boolean
  /** In tokens. */
  readonly contextSize?: number
  readonly neuronpediaId?: string
}

/** The names of `SaeFacts`, for `checkOptions`. */
export const saeFactNames: OptionNames<SaeFacts> = {
  hookName: true,
  hookNameOut: true,
  modelName: true,
  architecture: true,
  processing: true,
  applyBDecToInput: true,
  normalization: true,
  prependBos: true,
  contextSize: true,
  neuronpediaId: true,
}

const ofTraining = {
  hookName: 'hook_name',
  hookNameOut: 'hook_name_out',
  modelName: 'model_name',
  prependBos: 'prepend_bos',
  contextSize: 'context_size',
  neuronpediaId: 'neuronpedia_id',
} as const
const ofSae = {
  architecture: 'architecture',
  applyBDecToInput: 'apply_b_dec_to_input',
  normalization: 'normalize_activations',
} as const
/** Weight processing as TransformerLens calls it. */
export const processingNames = {
  foldLn: 'fold_ln',
  centerWritingWeights: 'center_writing_weights',
  centerUnembed: 'center_unembed',
  foldValueBiases: 'fold_value_biases',
} as const

/** What is known from a release together with what the user says, who counts more. @throws ArgumentError */
export function joinFacts(known: SaeFacts, given: SaeFacts): SaeFacts {
  const flags = Object.keys(processingNames)
  const wrong = Object.keys(given.processing ?? {}).find((flag) => !flags.includes(flag))
  if (wrong !== undefined) {
    throw new ArgumentError(`loadSae: there is no processing flag '${wrong}'.${didYouMean(wrong, flags)}`)
  }
  const names = [...Object.keys(ofTraining), ...Object.keys(ofSae)] as (keyof SaeFacts)[]
  const said = Object.fromEntries(names.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])))
  const processing = { ...known.processing, ...given.processing }
  return { ...known, ...said, ...(Object.keys(processing).length > 0 && { processing }) }
}

/** The config that a cfg.json, or what stands in for one, gives together with what is known. @throws ConfigError */
export function configOf(json: JsonRecord, facts: SaeFacts, where: string): SaeConfig {
  const inMetadata = isJsonObject(json['metadata'])
  const training = inMetadata ? (json['metadata'] as JsonRecord) : json
  const kwargs = training['model_from_pretrained_kwargs']
  const known: JsonRecord = renamed(facts, ofTraining)
  if (facts.processing) {
    known['model_from_pretrained_kwargs'] = {
      ...(isJsonObject(kwargs) ? kwargs : {}),
      ...renamed(facts.processing, processingNames),
    }
  }
  const { hook_point: old, ...rest } = { ...json, ...renamed(facts, ofSae) } as JsonRecord
  const kept = old === undefined || facts.hookName !== undefined ? rest : { ...rest, hook_point: old }
  return readSaeConfig(inMetadata ? { ...kept, metadata: { ...training, ...known } } : { ...kept, ...known }, where)
}

function renamed(from: object, names: Readonly<Record<string, string>>): JsonRecord {
  const values = from as JsonRecord
  return Object.fromEntries(
    Object.entries(names).flatMap(([ours, theirs]) => (values[ours] === undefined ? [] : [[theirs, values[ours]]])),
  )
}

/** The sizes that an encoder's matrix [D,S] says. @throws FileError naming what is missing. */
export function sizesOf(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  where: string,
): JsonRecord {
  const shape = tensors.get('W_enc')?.shape
  const output = tensors.get('W_dec')?.shape
  if (shape?.length !== 2 || output?.length !== 2) {
    throw new FileError(
      `loadSae: ${where} holds ${fewNames([...tensors.keys()])}. ` +
        'The matrices W_enc [d_in,d_sae] and W_dec [d_sae,d_in] are needed.',
    )
  }
  return { d_in: shape[0], d_sae: shape[1], d_out: output[1] }
}

/**
 * Factors on the latents before decoding, `scaling_factor` (`finetuning_scaling_factor` in later files): factors that
 * are all one do nothing and are dropped, as SAELens does. The tensor decides, what the config says is often wrong.
 * @throws ConfigError when the config speaks of factors that are not there
 */
export async function withScaling(
  config: SaeConfig,
  all: StoredTensors,
  where: string,
): Promise<Pick<OpenSae, 'config' | 'tensors'>> {
  const { scaling_factor: old, finetuning_scaling_factor: factors = old, ...others } = Object.fromEntries(all)
  if (!factors && config.hasScalingFactor) {
    throw new ConfigError(
      `${where}: finetuning_scaling_factor is true, but the weights have no tensor 'scaling_factor'. ` +
        'The folder is incomplete.',
    )
  }
  const kept =
    factors && (await factors.read()).values.some((factor) => factor !== 1) ? { scaling_factor: factors } : {}
  return {
    config: { ...config, hasScalingFactor: 'scaling_factor' in kept },
    tensors: new Map(Object.entries({ ...others, ...kept })),
  }
}
