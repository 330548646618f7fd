/** Direct logit attribution of every latent of an SAE to one token. S latents · D d_model */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError } from '../../lib/errors/errors.js'
import type { HookName } from '../../lib/core/hooks.js'
import { residualDirections } from '../../lib/transformer/unembed.js'
import type { HookedModel } from '../../lib/model.js'
import { Result } from '../../lib/report/result/result.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { latentDirections } from '../latent-logits.js'

export interface LatentDlaOptions {
  /** Text of one token, or its id. */
  readonly answer: string | number
  /** What each latent is multiplied by, one number a latent, such as its mean activation. @default 1 */
  readonly weights?: ArrayLike<number>
  /** The SAE's hook point, where the view has several. */
  readonly hook?: HookName
}

/**
 * W_dec · (W_out or W_O, where the SAE is of mlp.hook_post or attn.hook_z) · W_U[:, answer], times `weights`: axes
 * [latent], logits, the final norm left out.
 * @throws ArgumentError, HookError, TokenError; MismatchError as `topLogits`
 */
export async function latentDla(view: HookedModel, options: LatentDlaOptions): Promise<Result> {
  const attached = saeAt('latentDla', view, options.hook)
  const id = typeof options.answer === 'string' ? view.toSingleToken(options.answer) : options.answer
  const latents = chosenLatents('latentDla', attached.sae, undefined)
  const { weights } = options
  if (weights && weights.length !== latents.length) {
    throw new ArgumentError(`latentDla: there are ${weights.length} weights. Give one for each of the ${latents.length} latents.`) // prettier-ignore
  }
  const effects = tf.tidy(() => {
    const towards = residualDirections(view, id) // [1,D]
    return tf.matMul(latentDirections(view, attached, latents), towards, false, true).flatten()
  })
  try {
    const values = (await effects.data()) as Float32Array
    return new Result({
      kind: 'latent dla',
      title: 'direct effect of latents on a logit',
      unit: 'logits',
      values: weights ? values.map((value, f) => value * weights[f]!) : values,
      axes: [{ name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }],
      provenance: await view.provenance(),
      extra: { answer: id },
    })
  } finally {
    effects.dispose()
  }
}
