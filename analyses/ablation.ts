/** Ablation: what a metric loses when heads, latents, layers or positions are replaced by nothing, a mean, or another prompt's. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/cache.js'
import { ArgumentError } from '../lib/errors.js'
import type { HookedModel, Input } from '../lib/model.js'
import type { Result } from '../lib/report/result.js'
import { random } from '../lib/stats/random.js'
import type { Tokens } from '../lib/tokens/tokens.js'
import { intervene, type InterventionOptions, type Replacement } from './interventions.js'

export interface AblationOptions extends InterventionOptions {
  /**
   * What takes the activation's place: zeros; its mean over all real positions of the source prompts; or its value, at
   * the same position, on another of the source prompts (drawn once with `seed`). @default 'zero'
   */
  readonly mode?: 'zero' | 'mean' | 'resample'
  /** Prompts for mean and resample. @default the prompts themselves */
  readonly source?: Input
  /** For resample. @default 0 */
  readonly seed?: number
}

/**
 * Change of the metric when each target is ablated: axes [target…, (position), prompt], unit of the metric. Negative
 * where the target helped. `extra.baseline` holds the metric without ablation.
 *
 * `ablation(model, prompts, { metric, target: 'heads' })`,
 * `ablation(model.withSaes(sae, { errorTerm: true }), prompts, { metric, target: { latents: [3, 14] }, position: -1 })`
 * @throws ArgumentError, HookError, TokenError before any run
 */
export function ablation(view: HookedModel, prompts: Input, options: AblationOptions): Promise<Result> {
  const { mode = 'zero', seed = 0 } = options
  if (!['zero', 'mean', 'resample'].includes(mode)) {
    throw new ArgumentError(`ablation: mode is '${String(mode)}'. It must be 'zero', 'mean' or 'resample'.`)
  }
  return intervene('ablation', view, prompts, options, (tokens, names) => {
    if (mode === 'zero') return { replacement: () => undefined, dispose: () => undefined }
    const source = options.source === undefined ? tokens : view.toTokens(options.source, options)
    return mode === 'mean' ? meanOf(view, source, names) : resampled(view, tokens, source, names, seed)
  })
}

interface Replacements {
  replacement: Replacement
  dispose(): void
}

/** Mean over prompts and real positions, length 1 on both axes. */
function meanOf(view: HookedModel, source: Tokens, names: readonly string[]): Replacements {
  using cache = view.runWithCache(source, { names, logits: false })
  return kept(cache, (x) => {
    if (x.shape[1] !== source.positions)
      throw new ArgumentError(
        `ablation: the mean of an activation of shape [${x.shape}] is not defined. Use points of shape [B,P,…].`,
      )
    const mask = source.mask ?? source.rows.map((row) => row.map(() => 1))
    const real = tf.tensor(mask.flat(), [source.batch, source.positions, ...x.shape.slice(2).map(() => 1)])
    return x.mul(real).sum([0, 1], true).div(real.sum())
  })
}

/** The source's activations with prompts moved round by a random step, so that no prompt gets its own. */
function resampled(
  view: HookedModel,
  tokens: Tokens,
  source: Tokens,
  names: readonly string[],
  seed: number,
): Replacements {
  if (source.batch !== tokens.batch || source.positions !== tokens.positions) {
    throw new ArgumentError(
      `ablation: the source has ${source.batch} prompts of ${source.positions} tokens, the prompts are ${tokens.batch} of ${tokens.positions}. To resample, both must have one shape.`,
    )
  }
  if (source === tokens && tokens.batch < 2)
    throw new ArgumentError('ablation: a single prompt has no other to resample from. Give a source.')
  const step = source === tokens ? 1 + random(seed).integer(tokens.batch - 1) : 0
  const order = tf.tensor1d(
    tokens.rows.map((_, b) => (b + step) % tokens.batch),
    'int32',
  )
  using cache = view.runWithCache(source, { names, logits: false })
  try {
    return kept(cache, (x) => tf.gather(x, order))
  } finally {
    order.dispose()
  }
}

function kept(cache: ActivationCache, make: (x: tf.Tensor) => tf.Tensor): Replacements {
  const tensors = new Map<string, tf.Tensor>()
  const dispose = () => tensors.forEach((t) => t.dispose())
  try {
    for (const name of cache.names) tensors.set(name, tf.keep(tf.tidy(() => make(cache.get(name)))))
  } catch (error) {
    dispose()
    throw error
  }
  return { replacement: (name) => tensors.get(name), dispose }
}
