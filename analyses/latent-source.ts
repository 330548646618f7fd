/** Latents of batches of rows, of as much of the model and the SAE as they need. B rows · P positions · F latents */
import * as tf from '@tensorflow/tfjs'
import type { AttachedSae } from '../lib/core/view.js'
import type { HookedModel } from '../lib/model.js'
import type { Tokens } from '../lib/tokens/tokens.js'
import type { Sae } from '../saes/index.js'
import { activationAt } from './activations-until.js'
import { encodeLatents } from './attached-saes.js'

/** Latents after their activation function, or before it. */
export type LatentPoint = 'hook_sae_acts_post' | 'hook_sae_acts_pre'

/** Some latents of an SAE, as they come from rows of tokens. */
export interface LatentSource {
  readonly sae: Sae
  readonly latents: readonly number[]
  readonly point: LatentPoint
  /** Runs the model up to the SAE and hands on [b,P,F] of some rows at a time, as many as fit; frees them. */
  each(tokens: Tokens, use: (acts: tf.Tensor3D, firstRow: number) => Promise<void>): Promise<void>
}

/** What is taken of an SAE's latents. */
export interface LatentChoice {
  readonly latents: readonly number[]
  /** @default 'hook_sae_acts_post' */
  readonly point?: LatentPoint
  /** Names of hook points where the view has hooks: one inside the SAE may change its latents. @default none */
  readonly hooks?: readonly string[]
}

/** Numbers that the latents of one step may be: 64 MiB. */
const STEP = 2 ** 24

/** Latents of an SAE of the view, encoded here where no hook can see them inside the SAE. */
export function latentSource(
  view: HookedModel,
  { sae, readsAt }: AttachedSae<Sae>,
  { latents, point = 'hook_sae_acts_post', hooks = [] }: LatentChoice,
): LatentSource {
  const inside = hooks.some((name) => name.startsWith(`${readsAt}.hook_sae_`))
  const direct = point === 'hook_sae_acts_post' && !inside
  const name = direct ? readsAt : `${readsAt}.${point}`
  const read = (x: tf.Tensor) => (direct ? encodeLatents(sae, x, latents) : tf.gather(x, [...latents], x.rank - 1))
  return {
    sae,
    latents,
    point,
    async each(tokens, use) {
      const x = activationAt(view, tokens, name)
      try {
        const size = Math.max(1, Math.floor(STEP / (tokens.positions * latents.length)))
        for (let row = 0; row < tokens.batch; row += size) {
          const acts = tf.tidy(() => {
            const rows = x.slice(row, Math.min(size, tokens.batch - row))
            return read(rows).reshape<tf.Tensor3D>([-1, tokens.positions, latents.length])
          })
          try {
            await use(acts, row)
          } finally {
            acts.dispose()
          }
        }
      } finally {
        x.dispose()
      }
    },
  }
}
