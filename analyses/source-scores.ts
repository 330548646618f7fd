/**
 * Direct feature attribution: how much each source token puts into a latent of an attention SAE, as the attention
 * pattern moves it there (Kissane et al. 2024, arXiv:2406.17759). With the pattern taken as given, z is a sum over
 * sources and the encoder is linear, so
 *
 *     dfa[s] = Σ_h pattern[h,q,s] · v[s,h] · W_enc[h,:,latent],
 *
 * and over all sources they sum to the latent's pre-activation at q, less b_enc (and with b_dec · W_enc more where the
 * SAE takes b_dec off its input). Axes: B prompt · Q, S destination and source position · H heads · G heads of values ·
 * K d_head · E examples
 */
import * as tf from '@tensorflow/tfjs'
import { layerOf } from '../lib/transformer/hook-names.js'
import type { AttachedSae } from '../lib/core/view.js'
import { ArgumentError, MismatchError } from '../lib/errors/errors.js'
import type { HookedModel } from '../lib/model.js'
import type { Tokens } from '../lib/tokens/tokens.js'
import type { Sae } from '../saes/index.js'
import { activationsUntil } from './activations-until.js'

/** A latent at one place. */
export interface DfaTarget {
  readonly row: number
  readonly position: number
  readonly latent: number
}

/** Numbers of z that one step may hold: 64 MiB. */
const STEP = 2 ** 24

/** @throws MismatchError when the latents of an SAE are no sum over source tokens. */
export function checkDfa(verb: string, { sae: { config, label }, readsAt }: AttachedSae<Sae>): void {
  if (!readsAt.endsWith('.attn.hook_z')) {
    throw new MismatchError(
      `${verb}: the SAE '${label}' reads ${readsAt}. Attribution by source token needs an SAE of attn.hook_z.`,
    )
  }
  if (config.normalization === 'layer_norm' || config.normalization === 'constant_norm_rescale') {
    throw new MismatchError(
      `${verb}: the SAE '${label}' rescales its input (${config.normalization}), so its latents are no sum over source tokens. Use an SAE without that.`,
    )
  }
}

/** The attributions of all source positions for each target, [E,S]. */
export async function sourceScores(
  view: HookedModel,
  sae: Sae,
  tokens: Tokens,
  targets: readonly DfaTarget[],
): Promise<Float32Array> {
  if (targets.length === 0) throw new ArgumentError('featureDfa: there is nothing to attribute. Give a latent.')
  const attn = `blocks.${layerOf(sae.hookName)}.attn`
  const [vName, patternName] = [`${attn}.hook_v`, `${attn}.hook_pattern`]
  const run = activationsUntil(view, tokens, [vName, patternName])
  const scores = new Float32Array(targets.length * tokens.positions)
  try {
    const size = Math.max(1, Math.floor(STEP / (tokens.positions * sae.config.dIn)))
    for (let begin = 0; begin < targets.length; begin += size) {
      const step = tf.tidy(() => {
        return stepScores(run[patternName]!, run[vName]!, sae.W_enc, targets.slice(begin, begin + size))
      })
      scores.set((await step.data()) as Float32Array, begin * tokens.positions)
      step.dispose()
    }
  } finally {
    tf.dispose(run)
  }
  return scores
}

/** pattern [B,H,Q,S], v [B,S,G,K], W_enc [H·K,latents] → [E,S]. Heads of values serve H / G heads each. */
function stepScores(pattern: tf.Tensor, v: tf.Tensor, W_enc: tf.Tensor2D, targets: readonly DfaTarget[]): tf.Tensor2D {
  const [B, H, Q, S] = pattern.shape as [number, number, number, number]
  const [G, K] = v.shape.slice(2) as [number, number]
  const ids = (of: (target: DfaTarget) => number) => tf.tensor1d(targets.map(of), 'int32')
  const rows = ids(({ row }) => row)
  const weights = pattern.transpose([0, 2, 1, 3]).reshape([B * Q, H, S]).gather(ids(({ row, position }) => row * Q + position)) // prettier-ignore
  const columns = W_enc.gather(ids(({ latent }) => latent), 1).transpose().reshape<tf.Tensor4D>([-1, G, H / G, K]) // prettier-ignore
  const values = v.gather(rows).transpose<tf.Tensor4D>([0, 2, 3, 1]) // [E,G,K,S]
  const parts = tf.matMul(columns, values).reshape([-1, H, S]) // v · W_enc of each head and source
  return weights.mul(parts).sum<tf.Tensor2D>(1)
}
