/** What the config.json of Llama and its relatives has in common. */
import type { ModelConfig } from '../lib/transformer/architecture.js'
import type { ConfigReader } from '../lib/transformer/config-reader.js'
import { ConfigError } from '../lib/errors/errors.js'
import type { ActivationName } from '../lib/ops/activations.js'
import type { RotaryOptions } from '../lib/ops/rotary.js'

export interface LlamaConfig extends ModelConfig {
  readonly nKeyValueHeads: number
  readonly rotary: RotaryConfig
  readonly activation: ActivationName
  /** The unembedding is the embedding. */
  readonly tied: boolean
}

export type RotaryConfig = Pick<RotaryOptions, 'base' | 'stretch'>

/**
 * The sizes; `tied` is what holds where the config does not say whether the unembedding is the embedding.
 * @throws ConfigError where a size is missing, or heads do not share out evenly
 */
export function readLlamaConfig(
  read: ConfigReader,
  { activation, tied }: { readonly activation: ActivationName; readonly tied: boolean },
): Omit<LlamaConfig, 'modelType'> {
  const [dModel, nHeads] = [read.size('hidden_size'), read.size('num_attention_heads')]
  return {
    nLayers: read.size('num_hidden_layers'),
    dModel,
    nHeads,
    nKeyValueHeads: readKeyValueHeads(read, nHeads),
    dHead: readHeadSize(read, dModel, nHeads),
    dMlp: read.size('intermediate_size'),
    nCtx: read.size('max_position_embeddings'),
    dVocab: read.size('vocab_size'),
    normalization: 'RMS',
    eps: read.positive('rms_norm_eps', 1e-6),
    rotary: readRotary(read),
    activation,
    tied: read.flag('tie_word_embeddings', tied),
  }
}

function readKeyValueHeads(read: ConfigReader, nHeads: number): number {
  const shared = read.size('num_key_value_heads', nHeads)
  if (nHeads % shared === 0) return shared
  throw new ConfigError(
    `config.json: num_attention_heads ${nHeads} is not a multiple of num_key_value_heads ${shared}. Each key/value head must serve equally many heads.`,
  )
}

function readHeadSize(read: ConfigReader, dModel: number, nHeads: number): number {
  if (!read.has('head_dim') && dModel % nHeads !== 0) {
    throw new ConfigError(
      `config.json: hidden_size ${dModel} is not a multiple of num_attention_heads ${nHeads}. Heads must have equal sizes, or head_dim must say theirs.`,
    )
  }
  const size = read.size('head_dim', dModel / nHeads)
  if (size % 2 === 0) return size
  throw new ConfigError(
    `config.json: heads have ${size} dimensions. Rotary positions turn them in pairs: their number must be even.`,
  )
}

/** @throws ConfigError where a flag that changes the computation is on */
export function refuseFlags(read: ConfigReader, flags: readonly string[]): void {
  const on = flags.find((flag) => read.flag(flag, false))
  if (on === undefined) return
  throw new ConfigError(`config.json: ${on} is true, which is not supported. It must be false.`)
}

/**
 * `rope_theta` and `rope_scaling`, or the newer `rope_parameters` that hold both.
 * @throws ConfigError for a kind of scaling other than `default` and `llama3`
 */
function readRotary(read: ConfigReader): RotaryConfig {
  const all = read.has('rope_parameters') ? read.record('rope_parameters') : read
  const base = all.positive('rope_theta', 10000)
  const scaling = read.has('rope_parameters') ? all : read.has('rope_scaling') ? read.record('rope_scaling') : undefined
  const kind = scaling?.text('rope_type', scaling.text('type', 'default')) ?? 'default'
  if (kind === 'default') return { base }
  if (kind !== 'llama3') {
    throw new ConfigError(
      `config.json: the rope_scaling is of type '${kind}', which is not supported. It must be 'default' or 'llama3'.`,
    )
  }
  const stretch = {
    factor: scaling!.positive('factor'),
    lowFreqFactor: scaling!.positive('low_freq_factor'),
    highFreqFactor: scaling!.positive('high_freq_factor'),
    originalContext: scaling!.size('original_max_position_embeddings'),
  }
  if (stretch.highFreqFactor <= stretch.lowFreqFactor) {
    throw new ConfigError(
      `config.json: rope_scaling has high_freq_factor ${stretch.highFreqFactor} and low_freq_factor ${stretch.lowFreqFactor}. The first must be the larger.`,
    )
  }
  return { base, stretch }
}
