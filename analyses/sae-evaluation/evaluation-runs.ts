/** The runs of an SAE's evaluation. B rows, P positions, D width, S latents, V vocabulary. */
import * as tf from '@tensorflow/tfjs'
import type { ActivationCache } from '../../lib/residual/activation-cache.js'
import { jobProgress } from '../../lib/core/job-progress.js'
import type { ProgressOptions } from '../../lib/core/job-options.js'
import { ArgumentError, TokenError } from '../../lib/errors/errors.js'
import type { AttachOptions, HookedModel } from '../../lib/model.js'
import { tokenLosses } from '../../lib/ops/loss.js'
import { outputPoint, type Attachable } from '../../lib/core/splice.js'
import type { Tokens } from '../../lib/tokens/tokens.js'
import {
  addSums,
  emptySums,
  qualitySums,
  readSums,
  stacked,
  type EvaluationSums,
  type ScalarName,
} from './evaluation-sums.js'
import type { CountedTokens } from './counted-tokens.js'

/** What takes an activation's place. */
type Replacement = (x: tf.Tensor) => tf.Tensor

export class EvaluationRuns {
  /** The view with the SAE. */
  readonly spliced: HookedModel
  readonly #view: HookedModel
  readonly #counted: CountedTokens
  readonly #errorTerm: boolean
  /** The hook points that the SAE reads and writes at. */
  readonly #readsAt: string
  readonly #writesAt: string

  /** @throws HookError, MismatchError when the SAE does not fit the view */
  constructor(view: HookedModel, options: AttachOptions & { readonly sae: Attachable }, counted: CountedTokens) {
    const { sae, errorTerm = false, errorGradient, force } = options
    this.#view = view
    this.spliced = view.withSaes(sae, { errorTerm, errorGradient, force })
    const { readsAt, writesAt } = this.spliced.attached.at(-1) ?? { readsAt: sae.hookName, writesAt: sae.hookName }
    this.#readsAt = readsAt
    this.#writesAt = writesAt
    this.#counted = counted
    this.#errorTerm = errorTerm
  }

  /** Everything that is summed over the data, which is read twice. One batch at a time is on the device. */
  async all(
    read: () => AsyncIterable<Tokens>,
    options: ProgressOptions & { readonly batches?: number },
  ): Promise<EvaluationSums> {
    const { signal } = options
    const mean = tf.tensor1d(await this.#mean(read(), signal))
    using report = jobProgress('evaluateSae: batches', options, options.batches)
    try {
      const sums = emptySums()
      let done = 0
      for await (const tokens of read()) {
        addSums(sums, await readSums(() => this.#batch(tokens, mean)))
        report(++done)
        signal?.throwIfAborted()
      }
      if (sums.losses > 0) return sums
      throw new TokenError('evaluateSae: the data has no next token that counts. Give longer rows, or exclude fewer.')
    } finally {
      mean.dispose()
    }
  }

  /** The mean activation [D] over the tokens that count. @throws TokenError when there are none */
  async #mean(batches: AsyncIterable<Tokens>, signal: AbortSignal | undefined): Promise<Float32Array> {
    let total: Float64Array | undefined
    let count = 0
    for await (const tokens of batches) {
      const { sum, n } = await readSums(() => this.#total(tokens))
      total = Float64Array.from(sum, (value, d) => (total?.[d] ?? 0) + value)
      count += n.reduce((all, value) => all + value, 0)
      signal?.throwIfAborted()
    }
    if (total && count > 0) return Float32Array.from(total, (value) => value / count)
    throw new TokenError('evaluateSae: the data has no token that counts. Give longer rows, or exclude fewer tokens.')
  }

  /** The sum of activations [D], and over how many tokens. */
  #total(tokens: Tokens): Record<'sum' | 'n', tf.Tensor> {
    using cache = this.#view.runWithCache(tokens, { names: this.#writesAt, logits: false })
    const x = cache.get(this.#writesAt)
    const mask = this.#counted.activations(tokens).reshape([-1, 1])
    return { sum: x.reshape([mask.size, -1]).mul(mask).sum(0), n: mask.sum() }
  }

  /** The named sums of one batch as one tensor, and on how many tokens each latent fires [S]. */
  #batch(tokens: Tokens, mean: tf.Tensor1D): Record<'scalars' | 'fired', tf.Tensor> {
    const replaced = this.#counted.replaced(tokens)
    const predicted = this.#counted.predicted(tokens)
    const plain = logProbabilities(this.#logits(tokens))
    // log probabilities have the losses of their logits: their logSumExp is 0
    const loss = (logProbs: tf.Tensor3D) => tokenLosses(logProbs, tokens).mul(predicted).sum()
    const measure = (logits: tf.Tensor3D) =>
      tf.tidy(() => {
        const logProbs = logProbabilities(logits)
        const divergence = plain.exp().mul(plain.sub(logProbs)).sum(-1).mul(replaced).sum()
        return { loss: loss(logProbs), kl: divergence }
      })
    const ablated = (make: Replacement) => tf.tidy(() => measure(this.#ablated(replaced, make).run(tokens)))
    const zero = ablated((x) => tf.zerosLike(x))
    const centre = ablated((x) => tf.zerosLike(x).add(mean.reshape(x.shape.slice(2))))
    using cache = this.#restoring(replaced).runWithCache(tokens, { names: this.#names })
    const withSae = measure(cache.logits)
    const { fired, ...quality } = qualitySums({
      ...this.#read(cache),
      mean,
      counted: this.#counted.activations(tokens),
    })
    const scalars: Record<ScalarName, tf.Tensor> = {
      ...quality,
      losses: predicted.sum(),
      predictions: replaced.sum(),
      loss: tf.tidy(() => loss(plain)),
      lossWithSae: withSae.loss,
      lossZeroAblated: zero.loss,
      lossMeanAblated: centre.loss,
      klWithSae: withSae.kl,
      klZeroAblated: zero.kl,
    }
    return { scalars: stacked(scalars), fired }
  }

  #logits(tokens: Tokens): tf.Tensor3D {
    if (tokens.positions < 2)
      throw new TokenError('evaluateSae: a row of the data is 1 token long. A loss needs a next token to predict.')
    const logits = this.#view.run(tokens)
    if (logits.shape[2] === this.#view.config.dVocab) return logits
    throw new ArgumentError('evaluateSae: this view stops early and has no logits. Use a view that does not stop.')
  }

  /** The view with something else in the activation's place, where `replaced` is 1. */
  #ablated(replaced: tf.Tensor2D, make: Replacement): HookedModel {
    return this.#view.withHooks({ [this.#writesAt]: (x: tf.Tensor) => mixed(make(x), x, replaced) })
  }

  /** The view with the SAE, which leaves the activation as it was where `replaced` is 0. */
  #restoring(replaced: tf.Tensor2D): HookedModel {
    let original: tf.Tensor
    return this.spliced.withHooks({
      [this.#writesAt]: (x: tf.Tensor) => void (original = x),
      [this.#output]: (y: tf.Tensor) => mixed(y, original, replaced),
    })
  }

  get #output(): string {
    return `${this.#writesAt}.${outputPoint}`
  }
  get #names(): string[] {
    const error = this.#errorTerm ? [`${this.#writesAt}.hook_sae_error`] : []
    return [`${this.#readsAt}.hook_sae_acts_post`, this.#writesAt, this.#output, ...error]
  }

  /** What the SAE was to make, what it made, and of which latents: a row a token. */
  #read(cache: ActivationCache) {
    const rows = (name: string) =>
      cache.get(name).reshape<tf.Tensor2D>([cache.tokens.batch * cache.tokens.positions, -1])
    const output = rows(this.#output)
    return {
      x: rows(this.#writesAt),
      recons: this.#errorTerm ? output.sub<tf.Tensor2D>(rows(`${this.#writesAt}.hook_sae_error`)) : output,
      acts: rows(`${this.#readsAt}.hook_sae_acts_post`),
    }
  }
}

/** a where the mask [B,P] is 1, b where it is 0; both [B,P,…]. */
function mixed(a: tf.Tensor, b: tf.Tensor, mask: tf.Tensor2D): tf.Tensor {
  return tf.tidy(() => {
    const where = mask.reshape([...mask.shape, ...a.shape.slice(2).map(() => 1)])
    return tf.where(where.cast('bool'), a, b)
  })
}

function logProbabilities(logits: tf.Tensor3D): tf.Tensor3D {
  return tf.tidy(() => tf.logSoftmax(logits))
}
