/** A checkpoint's tensors as a family's weights: what its page lists, packed as they are multiplied, and what is not stored. */
import * as tf from '@tensorflow/tfjs'
import { collectTensors, transposed } from '../weights/collect.js'
import type { NamedTensors } from '../weights/named-tensors.js'
import { packQueries } from '../weights/packed.js'
import type { Architecture, ModelConfig, TensorReader, Traits } from './architecture.js'

/**
 * The weights under our names, every shape checked; the caller owns them.
 * @throws FileError when a tensor is missing, holds NaN or infinity, or has no place in the config; ConfigError when a
 *   shape is not the config's. Nothing is kept then.
 */
export async function collectWeights<C extends ModelConfig>(
  architecture: Architecture<C>,
  { reader, config }: { readonly reader: TensorReader; readonly config: C },
  onProgress?: (done: number, total: number) => void,
): Promise<NamedTensors> {
  const specs = architecture.tensors(reader.infos, config)
  const weights = await collectTensors(reader, specs, architecture.ignoredTensors, onProgress)
  packQueries(weights, config.nLayers)
  architecture.addWeights?.(weights, config, reader.infos)
  addUnstored(weights, config, architecture.traits(config))
  return weights
}

/** Biases that weight processing folds into, zeros where a checkpoint has none; and the unembedding, where it is tied. */
function addUnstored(weights: NamedTensors, config: ModelConfig, traits: Traits): void {
  const { nLayers, nHeads, nKeyValueHeads = nHeads, dHead, dModel, dVocab } = config
  const zeros = (name: string, size: number) => {
    if (!weights.has(name)) weights.set(name, tf.zeros([size]))
  }
  for (let l = 0; l < nLayers && traits.attentionBiases; l++) {
    zeros(`blocks.${l}.attn.b_QKV`, (nHeads + 2 * nKeyValueHeads) * dHead)
    zeros(`blocks.${l}.attn.b_O`, dModel)
  }
  const embedding = weights.get('embed.W_E')
  if (traits.tied) weights.set('unembed.scale', tf.ones([dModel, 1]))
  else if (!weights.has('unembed.W_U') && embedding) weights.set('unembed.W_U', transposed(embedding))
  zeros('unembed.b_U', dVocab)
}
