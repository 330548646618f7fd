/** THE forward pass: the embedding, the loop over blocks, the final norm and the unembedding, for every family. */
import * as tf from '@tensorflow/tfjs'
import { softCap } from '../ops/activations.js'
import type { Weights } from '../weights/weights.js'
import type { Architecture, ForwardInput, ModelConfig } from './architecture.js'
import type { At } from './at.js'
import { insidePoints } from './hook-points.js'
import { layerNorm, rmsNorm } from './norms.js'
import { unembed } from './unembed.js'

/** What a forward pass needs of a model. */
export interface Runnable {
  readonly architecture: Architecture
  readonly config: ModelConfig
  readonly weights: Weights
}

/**
 * Logits [B,P,V], or [B,P,C] of the columns that are asked for, or the residual stream [B,P,D] when stopped. Runs inside
 * the caller's tidy. What attention and MLP write (`hook_attn_out`, `hook_mlp_out`) is a function to `at` on every page,
 * so that a run may be given it.
 */
export function forward({ architecture, config, weights }: Runnable, input: ForwardInput, at: At): tf.Tensor3D {
  const { from, stopAt = Infinity } = input
  const frameOf = architecture.frames(config, input)
  const inside = insidePoints(config, architecture.traits(config))
  let resid = from?.resid ?? architecture.embed({ config, weights, input, at })
  for (let layer = from?.layer ?? 0; layer < Math.min(config.nLayers, stopAt); layer++) {
    const name = `blocks.${layer}`
    const [before, atBlock] = [resid, at.under(name)]
    resid = tf.tidy(() => {
      const residPre = atBlock('hook_resid_pre', before) // [B,P,D]
      const block = { config, layer, weights: weights.under(name), frame: frameOf(layer), at: atBlock }
      const fused = atBlock.observed(...inside) ? undefined : architecture.fused?.(block, residPre)
      return atBlock('hook_resid_post', fused ?? architecture.block(block, residPre)) // [B,P,D]
    })
  }
  return stopAt <= config.nLayers ? resid : logits({ config, weights }, resid, { columns: input.columns, at })
}

/** The final norm, the unembedding and its soft-cap. */
export function logits(
  { config, weights }: Pick<Runnable, 'config' | 'weights'>,
  resid: tf.Tensor3D,
  { columns, at }: { readonly columns: ForwardInput['columns']; readonly at: At },
): tf.Tensor3D {
  const norm = { eps: config.eps, at: at.under('ln_final'), ...weights.norm('ln_final') }
  const final = config.normalization === 'LN' ? layerNorm(resid, norm) : rmsNorm(resid, norm) // [B,P,D]
  const all = unembed(weights, final, columns, at) // [B,P,V]
  return config.finalSoftCap === undefined ? all : softCap(all, config.finalSoftCap)
}
