/** Which predictions a part of the model boosts: mean log probabilities with it and without. V vocabulary */
import * as tf from '@tensorflow/tfjs'
import type { HookName } from '../../lib/core/hooks.js'
import { promptPositions } from '../../lib/core/positions.js'
import type { HookedModel } from '../../lib/model.js'
import { tokenOptionsOf, type Prompts, type TokenOptions, type Tokens } from '../../lib/tokens/tokens.js'
import { pickPositions } from '../../lib/ops/pick.js'
import { Result, type Axis } from '../../lib/report/result/result.js'
import { chosenLatents, saeAt } from '../attached-saes.js'
import { tokenLabel } from '../../lib/core/labels.js'
import { eachLatentLogits } from '../latent-logits.js'

export interface LogprobBoostsOptions extends TokenOptions {
  /** Where predictions are read. @default -1, the last real token */
  readonly position?: number
  /** Tokens whose mean log probability with the part is below this get 0. @default -Infinity */
  readonly floor?: number
  /** Ids that get 0, such as rare ones. @default none */
  readonly exclude?: readonly number[]
}

/**
 * mean_b log p(v | prompt b) in the view less the same in the edited one, for each token v: axes [token], nats. Above 0
 * are the tokens that what was taken away boosts.
 */
export async function logprobBoosts(
  view: HookedModel,
  edited: HookedModel,
  prompts: Prompts,
  options: LogprobBoostsOptions = {},
): Promise<Result> {
  const { floor = -Infinity, exclude = [] } = options
  const tokens = view.toTokens(prompts, tokenOptionsOf(options))
  const positions = promptPositions(tokens, options.position ?? -1, 'logprobBoosts')
  const [on, off] = [await meanLogProbs(view, tokens, positions), await meanLogProbs(edited, tokens, positions)]
  const left = new Set(exclude)
  return new Result({
    kind: 'log probability boosts',
    title: 'mean log probability with less without',
    unit: 'nats',
    values: on.map((value, id) => (value < floor || left.has(id) ? 0 : value - off[id]!)),
    axes: [tokenAxis(view)],
    provenance: await view.provenance({ prependBos: options.prependBos ?? true }),
    extra: { position: options.position ?? -1, floor: Number.isFinite(floor) ? floor : null, prompts: tokens.batch },
  })
}

/**
 * What a unit of each latent adds to every logit by the direct path, W_dec · (W_out or W_O) · W_U, 0 for excluded ids:
 * axes [latent, token]. Large: for the ends alone see `topLogits`.
 * @throws ArgumentError, HookError, MismatchError as `topLogits`
 */
export async function logitBoosts(
  view: HookedModel,
  options: { readonly latents: readonly number[]; readonly hook?: HookName; readonly exclude?: readonly number[] },
): Promise<Result> {
  const attached = saeAt('logitBoosts', view, options.hook)
  const latents = chosenLatents('logitBoosts', attached.sae, options.latents)
  const { dVocab } = view.config
  const values = new Float32Array(latents.length * dVocab)
  for await (const { logits, first } of eachLatentLogits(view, attached, latents)) {
    values.set(await logits.data<'float32'>(), first * dVocab)
  }
  for (const id of options.exclude ?? []) for (let f = 0; f < latents.length; f++) values[f * dVocab + id] = 0
  return new Result({
    kind: 'logit boosts',
    title: 'direct effect of a unit of a latent on the logits',
    unit: 'logits',
    values,
    axes: [{ name: 'latent', labels: latents.map((latent) => `latent ${latent}`) }, tokenAxis(view)],
    provenance: await view.provenance(),
  })
}

/** The text of each id, or the id where the model has no tokenizer. */
function tokenAxis({ config, tokenizer }: HookedModel): Axis {
  return { name: 'token', labels: Array.from({ length: config.dVocab }, (_, id) => tokenLabel(tokenizer, id)) } // prettier-ignore
}

async function meanLogProbs(view: HookedModel, tokens: Tokens, positions: readonly number[]): Promise<Float32Array> {
  const means = tf.tidy(() => tf.logSoftmax(pickPositions(view.run(tokens), positions)).mean(0))
  try {
    return (await means.data()) as Float32Array
  } finally {
    means.dispose()
  }
}
