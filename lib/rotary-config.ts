/** Rotary positions as a Hugging Face config.json describes them. */
import type { ConfigReader } from './config-reader.js'
import { ConfigError } from './errors.js'
import type { RotaryOptions } from './ops/rotary.js'

export type RotaryConfig = Pick<RotaryOptions, 'base' | 'stretch'>

/**
 * `rope_theta` and `rope_scaling`, or the newer `rope_parameters` that hold both.
 * @throws ConfigError for a kind of scaling other than `default` and `llama3`
 */
export function readRotary(read: ConfigReader): RotaryConfig {
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
