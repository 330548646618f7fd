/**
 * Gradients of a metric at any hook points, also inside SAEs. Each point is tapped by an identity that hands over the
 * gradient passing through it; the backward pass goes no further than the earliest tap.
 */
import * as tf from '@tensorflow/tfjs'
import type { ForwardInput } from '../transformer/architecture.js'
import { ActivationCache, Recorder } from './cache.js'
import type { DecomposedModel } from '../residual/decompose.js'
import { HookError } from '../errors/errors.js'
import type { HookPoint, Observer } from './hooks.js'
import { checkMetric } from './metrics.js'
import { tapGradient } from '../ops/stop-gradient.js'
import type { Tokens } from '../tokens/tokens.js'

/** Activations and gradients at the chosen points, and the metric. Owns its tensors. */
export interface GradientRun {
  /** The metric: a number for each prompt [B], or one scalar. */
  readonly value: tf.Tensor
  readonly cache: ActivationCache
  /** By the same names, in the shapes of the activations. Points the metric does not depend on have zeros. */
  readonly gradients: ActivationCache
  dispose(): void
  [Symbol.dispose](): void
}

/** Records the activation and taps the gradient. A point that fires more than once sums its gradients. */
class Tap extends Recorder {
  readonly gradients = new Map<string, tf.Tensor>()
  readonly #anchor: tf.Scalar

  constructor(names: readonly string[], points: readonly HookPoint[], anchor: tf.Scalar) {
    super(names, points)
    this.#anchor = anchor
  }

  override see<T extends tf.Tensor>(name: string, x: T): T {
    this.#checkShape(name, x)
    return tapGradient(super.see(name, x), this.#anchor, (gradient) => {
      const before = this.gradients.get(name)
      this.gradients.set(name, tf.keep(before ? before.add(gradient) : gradient.clone()))
      before?.dispose()
    })
  }

  /** A point whose calls differ in shape has no one gradient. */
  #checkShape(name: string, x: tf.Tensor): void {
    const before = this.kept.get(name)?.shape
    if (before === undefined || before.join() === x.shape.join()) return
    throw new HookError(
      `runWithGradients: '${name}' sees [${before}] and [${x.shape}] in one run, as query and key heads with inputs of their own differ in number. Ask for it in a run without hook_q_input and its kin.`,
    )
  }

  override dispose(): void {
    super.dispose()
    for (const tensor of this.gradients.values()) tensor.dispose()
    this.gradients.clear()
  }
}

/** A forward pass under observers, of the whole or a part, to its output: [B,P,V], or [B,P,D] where it stops. */
export type Pass = (
  observers: readonly Observer[],
  part: { readonly stopAt?: number; readonly from?: ForwardInput['from'] },
) => tf.Tensor3D

/**
 * One forward pass and one backward.
 * @param before blocks in front of all points: they are run by themselves, and leave nothing behind for the backward pass
 * @param metric from the output to a scalar or one number for each prompt [B]; gradients are of the sum, so that each
 *   prompt's are those of its own number
 */
export function gradientRun(
  model: DecomposedModel & { readonly hookPoints: readonly HookPoint[] },
  names: readonly string[],
  before: number,
  tokens: Tokens,
  pass: Pass,
  metric: (output: tf.Tensor3D) => tf.Tensor,
): GradientRun {
  let value: tf.Tensor | undefined
  const anchor = tf.scalar(0)
  const tap = new Tap(names, model.hookPoints, anchor)
  let from: ForwardInput['from']
  const objective = () => {
    const numbers = metric(pass([tap], from ? { from } : {}))
    checkMetric('runWithGradients', numbers, tokens)
    value = tf.keep(numbers.clone())
    return numbers.sum().add<tf.Scalar>(anchor.mul(0)) // joined to the anchor even when it depends on no tap
  }
  try {
    if (before > 0) from = { layer: before, resid: pass([], { stopAt: before }) }
    tf.tidy(() => void tf.grad(objective)(anchor))
    for (const [name, x] of tap.kept) if (!tap.gradients.has(name)) tap.gradients.set(name, tf.keep(tf.zerosLike(x)))
  } catch (error) {
    tap.dispose()
    value?.dispose()
    dropTape()
    throw error
  } finally {
    anchor.dispose()
    from?.resid.dispose()
  }
  const gradients = new Map([...tap.kept.keys()].map((name) => [name, tap.gradients.get(name)!])) // in firing order
  return ownedRun(value!, new ActivationCache(model, tap.kept, tokens), new ActivationCache(model, gradients, tokens))
}

/** Frees what a failed run saved for its backward pass: tfjs does so only behind a finished one. */
function dropTape(): void {
  const { state } = tf.engine()
  if (state.gradientDepth > 0) return // a gradient of the caller's own goes on
  for (const node of state.activeTape ?? []) for (const tensor of node.saved ?? []) tensor.dispose()
  state.activeTape = []
}

function ownedRun(value: tf.Tensor, cache: ActivationCache, gradients: ActivationCache): GradientRun {
  const dispose = () => {
    value.dispose()
    cache.dispose()
    gradients.dispose()
  }
  return { value, cache, gradients, dispose, [Symbol.dispose]: dispose }
}
