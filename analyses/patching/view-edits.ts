/**
 * Views with one thing changed at a position of each prompt: latents removed, an SAE's error left out, an activation
 * replaced. They are made for a batch of tokens and only run it. B prompts · P positions
 */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../../lib/core/hooks.js'
import type { AttachedSae } from '../../lib/core/view.js'
import type { Sae } from '../../saes/index.js'
import type { HookedModel } from '../../lib/model.js'

/** x [B,P,…] with `by`, which broadcasts to it, at one position of each prompt, or at all. */
export function replacedAt(x: tf.Tensor, positions: readonly number[] | undefined, by: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    if (!positions) return by.broadcastTo(x.shape)
    const places = tf.oneHot(tf.tensor1d([...positions], 'int32'), x.shape[1]!).toBool()
    return tf.where(places.reshape([x.shape[0], x.shape[1]!, ...x.shape.slice(2).map(() => 1)]), by, x)
  })
}

/** The view with an activation replaced by zeros, or by one vector (such as a mean) of the shape of its last axes. */
export function withReplaced(
  view: HookedModel,
  hook: HookName,
  positions: readonly number[] | undefined,
  by?: Float32Array,
): HookedModel {
  return view.withHooks({
    [hook]: (x: tf.Tensor) =>
      tf.tidy(() => replacedAt(x, positions, by ? tf.tensor(by, x.shape.slice(2)) : tf.scalar(0))),
  })
}

/** The view with latents of its SAE at 0: with its error term, that takes away what they write and nothing else. */
export function withoutLatents(
  view: HookedModel,
  { readsAt }: Pick<AttachedSae<Sae>, 'readsAt'>,
  latents: readonly number[],
  positions: readonly number[] | undefined,
): HookedModel {
  return view.withHooks({
    [`${readsAt}.hook_sae_acts_post`]: (acts: tf.Tensor) =>
      tf.tidy(() => {
        const kept = new Float32Array(acts.shape.at(-1)!).fill(1)
        for (const latent of latents) kept[latent] = 0
        return replacedAt(acts, positions, acts.mul(tf.tensor1d(kept)))
      }),
  })
}

/** The view with its SAE's error left out: what goes on is the reconstruction. */
export function withoutError(
  view: HookedModel,
  { writesAt }: Pick<AttachedSae<Sae>, 'writesAt'>,
  positions: readonly number[] | undefined,
): HookedModel {
  return withReplaced(view, `${writesAt}.hook_sae_error`, positions)
}
