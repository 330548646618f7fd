/** What an SAE's cfg.json says, in one shape for every version of SAELens that wrote it. */
import { ConfigReader } from '../lib/transformer/config-reader.js'
import { ConfigError } from '../lib/errors/errors.js'
import { brief } from '../lib/errors/brief.js'
import type { ProcessingFlags } from '../lib/weights/process.js'

/** What an SAE does to its input before encoding, undone after decoding; see `normalizeInput`. */
export type Normalization = 'none' | 'expected_average_only_in' | 'constant_norm_rescale' | 'layer_norm'

/**
 * What an SAE is, without its weights: what every version of SAELens says of it, in one shape. Plain data: it is also
 * what a saved tf.LayersModel holds.
 */
export interface SaeConfig {
  /** The kind of SAE, as SAELens calls it: `standard`, `jumprelu`, `skip_transcoder`, … */
  readonly architecture: string
  /** Of a standard SAE whose activation is not a ReLU. */
  readonly activation?: 'tanh-relu' | 'topk'
  /** How many latents fire on a token, where the activation keeps the k largest. */
  readonly k?: number
  readonly dIn: number
  readonly dSae: number
  /** The hook point it was trained on. */
  readonly hookName: string
  /** Of a transcoder: the hook point it writes at, and how many numbers. */
  readonly hookNameOut?: string
  readonly dOut?: number
  /** Subtract b_dec from the input before encoding. */
  readonly applyBDecToInput: boolean
  readonly normalization: Normalization
  /** True where heads are flattened, [H,K] → d_in, before encoding. */
  readonly flattenHeads: boolean
  /** Multiply the latents by a learned `scaling_factor` [S] before decoding. */
  readonly hasScalingFactor: boolean
  /** What the config says of the model's weight processing; a flag it does not mention is undefined. */
  readonly processing: Partial<ProcessingFlags>
  readonly modelName?: string
  readonly prependBos?: boolean
  readonly contextSize?: number
  readonly neuronpediaId?: string
  /** What its cfg.json says of the training, as it says it: kept for saving it again. */
  readonly metadata?: Readonly<Record<string, unknown>>
}

const normalizations = ['none', 'expected_average_only_in', 'constant_norm_rescale', 'layer_norm'] as const

/**
 * Reads cfg.json of SAELens 1 to 6 (`hook_point` of old, `hook_name`, or `metadata.hook_name` of today).
 *
 * @example
 * const config = readSaeConfig(JSON.parse(await readFile('my-sae/cfg.json', 'utf8')), 'my-sae/cfg.json')
 * @param where what messages call it
 * @throws ConfigError naming the field that is missing or has a value that is not supported.
 */
export function readSaeConfig(json: unknown, where: string): SaeConfig {
  const read = new ConfigReader(json, where)
  const record = json as Record<string, unknown>
  // version 6 moved what describes the training into `metadata`
  const metadata = read.has('metadata') ? new ConfigReader(record['metadata'], `${where} (metadata)`) : read
  const hookName = hookNameOf(read, metadata, where)
  return {
    architecture: read.text('architecture', 'standard'),
    dIn: read.size('d_in'),
    dSae: read.size('d_sae'),
    hookName,
    applyBDecToInput: read.flag('apply_b_dec_to_input', true),
    normalization: normalizationOf(read, record),
    flattenHeads: read.has('reshape_activations')
      ? read.oneOf('reshape_activations', ['none', 'hook_z']) === 'hook_z'
      : hookName.endsWith('.hook_z'),
    hasScalingFactor: read.flag('finetuning_scaling_factor', false),
    processing: processingOf(metadata),
    ...(metadata.has('model_name') && { modelName: metadata.text('model_name') }),
    ...(metadata.has('prepend_bos') && { prependBos: metadata.flag('prepend_bos') }),
    ...(metadata.has('context_size') && { contextSize: metadata.size('context_size') }),
    ...(metadata.has('neuronpedia_id') && { neuronpediaId: metadata.text('neuronpedia_id') }),
    ...activationOf(read, where),
    ...outputOf(read, metadata),
  }
}

function hookNameOf(read: ConfigReader, metadata: ConfigReader, where: string): string {
  if (read.has('hook_point_head_index') || metadata.has('hook_head_index')) {
    throw new ConfigError(
      `${where}: the SAE reads a single head (hook_head_index). Only SAEs of a whole hook point are supported.`,
    )
  }
  return read.has('hook_point') ? read.text('hook_point') : metadata.text('hook_name')
}

/** Old configs say true for what is now expected_average_only_in. */
function normalizationOf(read: ConfigReader, record: Record<string, unknown>): Normalization {
  const value = record['normalize_activations']
  if (typeof value === 'boolean') return value ? 'expected_average_only_in' : 'none'
  return read.oneOf('normalize_activations', normalizations, 'none')
}

function processingOf(metadata: ConfigReader): Partial<ProcessingFlags> {
  if (!metadata.has('model_from_pretrained_kwargs')) return {}
  const kwargs = metadata.record('model_from_pretrained_kwargs')
  const names = {
    fold_ln: 'foldLn',
    center_writing_weights: 'centerWritingWeights',
    center_unembed: 'centerUnembed',
    fold_value_biases: 'foldValueBiases',
  }
  return Object.fromEntries(
    Object.entries(names).flatMap(([theirs, ours]) => (kwargs.has(theirs) ? [[ours, kwargs.flag(theirs)]] : [])),
  )
}

/** SAELens's own default, for configs that name no k. */
const DEFAULT_K = 100

/**
 * Kinds are told apart by `architecture`; up to SAELens 5 `activation_fn_str` may name what follows the
 * encoder. @throws ConfigError for an activation the kind does not have: it is never taken for a ReLU.
 */
function activationOf(read: ConfigReader, where: string): Pick<SaeConfig, 'activation' | 'k'> {
  const architecture = read.text('architecture', 'standard')
  const keepsK = architecture.endsWith('topk')
  const name = ['activation_fn_str', 'activation_fn'].find((key) => read.has(key))
  const activation = name === undefined ? (keepsK ? 'topk' : 'relu') : read.text(name)
  const known = architecture === 'standard' ? ['relu', 'tanh-relu', 'topk'] : keepsK ? ['topk', 'relu'] : ['relu']
  if (!known.includes(activation)) {
    throw new ConfigError(
      `${where}: ${name} is '${brief(activation)}', which a ${brief(architecture)} SAE does not have. ` +
        `Supported: ${known.join(', ')}.`,
    )
  }
  return {
    ...(architecture === 'standard' && activation !== 'relu' && { activation: activation as 'tanh-relu' | 'topk' }),
    ...((keepsK || activation === 'topk') && { k: latentsKept(read, where) }),
  }
}

function latentsKept(read: ConfigReader, where: string): number {
  const source = !read.has('k') && read.has('activation_fn_kwargs') ? read.record('activation_fn_kwargs') : read
  const k = source.has('k') ? source.size('k') : DEFAULT_K
  const dSae = read.size('d_sae')
  if (k <= dSae) return k
  throw new ConfigError(`${where}: k is ${k}, but there are ${dSae} latents. k must be at most that.`)
}

function outputOf(read: ConfigReader, metadata: ConfigReader): Pick<SaeConfig, 'hookNameOut' | 'dOut'> {
  if (!read.text('architecture', 'standard').endsWith('transcoder')) return {}
  return { hookNameOut: (read.has('hook_name_out') ? read : metadata).text('hook_name_out'), dOut: read.size('d_out') }
}
