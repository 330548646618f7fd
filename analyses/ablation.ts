/** Ablation: what a metric loses when heads, latents, layers or positions are replaced by nothing, a mean, or another prompt's. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../lib/cache.js'
import { ArgumentError } from '../lib/errors.js'
import type { HookedModel, Input } from '../lib/model.js'
import type { Result } from '../lib/report/result.js'
import { random } from '../lib/stats/random.js'
import type { Tokens } from '../lib/tokens/tokens.js'
import { intervene, type InterventionOptions, type Replacements } from './interventions.js'
import { checkSource } from './sources.js'

export interface AblationOptions extends InterventionOptions {
  /**
   * What takes the activation's place: zeros; its mean over all real positions of the source prompts; or its value, at
   * the same position, on the source prompt of the same number. Without a source that is another of the prompts, drawn
   * once with `seed`. @default 'zero'
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
    if (mode === 'zero') return { at: () => undefined, extra: { mode }, [Symbol.dispose]: () => undefined }
    const source = options.source === undefined ? tokens : view.toTokens(options.source, options)
    if (mode === 'mean') return { ...meanOf(view, source, names), extra: { mode } }
    return { ...resampled(view, tokens, source, names, seed), seed, extra: { mode } }
  })
}

/** Mean over prompts and real positions, length 1 on both axes. */
function meanOf(view: HookedModel, source: Tokens, names: readonly string[]): Replacements {
  const points = view.hookPoints.filter((point) => names.includes(point.name))
  const other = points.find((point) => !point.shape.startsWith('[B,P,'))
  if (other) {
    throw new ArgumentError(
      `ablation: the mean at '${other.name}' of shape ${other.shape} is not defined. Use points of shape [B,P,…].`,
    )
  }
  using cache = view.runWithCache(source, { names, logits: false })
  return kept(cache, (x) => {
    const mask = source.mask ?? source.rows.map((row) => row.map(() => 1))
    const real = tf.tensor(mask.flat(), [source.batch, source.positions, ...x.shape.slice(2).map(() => 1)])
    return x.mul(real).sum([0, 1], true).div(real.sum())
  })
}

/** Activations of the sources; of the prompts themselves moved round by a random step, so that none gets its own. */
function resampled(
  view: HookedModel,
  tokens: Tokens,
  source: Tokens,
  names: readonly string[],
  seed: number,
): Replacements {
  const own = JSON.stringify(source.rows) === JSON.stringify(tokens.rows)
  if (own && tokens.batch < 2)
    throw new ArgumentError('ablation: a single prompt has no other to resample from. Give a source.')
  checkSource('ablation', tokens, source)
  if (own && tokens.mask)
    throw new ArgumentError('ablation: prompts of several lengths cannot stand in for each other. Give a source.')
  const step = own ? 1 + random(seed).integer(tokens.batch - 1) : 0
  using cache = view.runWithCache(source, { names, logits: false })
  return kept(cache, (x) =>
    tf.gather(
      x,
      tf.tensor1d(
        tokens.rows.map((_, b) => (b + step) % tokens.batch),
        'int32',
      ),
    ),
  )
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
  return { at: (name) => tensors.get(name), [Symbol.dispose]: dispose }
}
