/**
 * Gradients of a metric at any hook points, also inside SAEs. Each point is tapped by an identity that hands over the
 * gradient passing through it; the backward pass goes no further than the earliest tap.
 */
import * as tf from '@tensorflow/tfjs'
import type { Activations } from './activations.js'
import type { MakeCache } from './cached-run.js'
import { HookError } from '../errors/errors.js'
import type { HookPoint } from './hooks.js'
import { checkMetric, type MetricContext } from './metrics.js'
import { readout, type Readout } from './readout.js'
import { Recorder } from './recorder.js'
import type { GradientOptions } from './run-options.js'
import { checkHasLogits, runTokens, type ViewedModel } from './run-view.js'
import { blocksBefore, reachedNames, viewPoints } from './view.js'
import { tapGradient } from '../ops/stop-gradient.js'
import type { Tokens } from '../tokens/tokens.js'

/** Activations and gradients at the chosen points, and the metric. Owns its tensors. */
export interface GradientsOf<C extends Activations> {
  /** The metric: a number for each prompt [B], or one scalar. */
  readonly value: tf.Tensor
  readonly cache: C
  /** By the same names, in the shapes of the activations. Points the metric does not depend on have zeros. */
  readonly gradients: C
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

/** What gradients are taken of. */
export interface GradientRequest<C extends Activations> extends Pick<GradientOptions, 'names' | 'metric'> {
  /** For what the metric needs to know. */
  readonly context: MetricContext
  readonly cacheOf: MakeCache<C>
}

/** One forward pass and one backward: activations, and gradients of the metric's sum. @throws before the run */
export function gradientRun<C extends Activations>(
  subject: ViewedModel,
  tokens: Tokens,
  { names: filter, metric, context, cacheOf }: GradientRequest<C>,
): GradientsOf<C> {
  const { model, view } = subject
  const names = reachedNames('runWithGradients', filter, model, view)
  if (typeof metric !== 'function') checkHasLogits('metric', view)
  using read = readout(model, view, metric, context, names)
  const anchor = tf.scalar(0)
  const tap = new Tap(names, viewPoints(model, view), anchor)
  try {
    const value = backward(subject, tokens, { tap, read, anchor })
    for (const [name, x] of tap.kept) if (!tap.gradients.has(name)) tap.gradients.set(name, tf.keep(tf.zerosLike(x)))
    const gradients = new Map([...tap.kept.keys()].map((name) => [name, tap.gradients.get(name)!])) // in firing order
    return ownedRun(value, cacheOf({ tensors: tap.kept, tokens }), cacheOf({ tensors: gradients, tokens }))
  } catch (error) {
    tap.dispose()
    throw error
  } finally {
    anchor.dispose()
  }
}

/**
 * Fills the tap, and returns the metric. Blocks before all of the tapped points are run by themselves, so that they leave
 * nothing behind for the backward pass.
 */
function backward(
  subject: ViewedModel,
  tokens: Tokens,
  { tap, read, anchor }: { tap: Tap; read: Readout; anchor: tf.Scalar },
): tf.Tensor {
  const layer = blocksBefore([...tap.names], subject.model, subject.view)
  const from = layer > 0 ? { layer, resid: runTokens(subject, tokens, [], { stopAt: layer }) } : undefined
  let value: tf.Tensor | undefined
  const objective = () => {
    const numbers = read.metric(runTokens(subject, tokens, [tap], { stopAt: read.stopAt, from }))
    checkMetric('runWithGradients', numbers, tokens)
    value = tf.keep(numbers.clone())
    return numbers.sum().add<tf.Scalar>(anchor.mul(0)) // joined to the anchor even when it depends on no tap
  }
  try {
    tf.tidy(() => void tf.grad(objective)(anchor))
    return value!
  } catch (error) {
    value?.dispose()
    dropTape()
    throw error
  } finally {
    from?.resid.dispose()
  }
}

/** Frees what a failed run saved for its backward pass: tfjs does so only after a finished one. */
function dropTape(): void {
  const { state } = tf.engine()
  if (state.gradientDepth > 0) return // a gradient of the caller's own is being taken
  for (const node of state.activeTape ?? []) for (const tensor of node.saved ?? []) tensor.dispose()
  state.activeTape = []
}

function ownedRun<C extends Activations>(value: tf.Tensor, cache: C, gradients: C): GradientsOf<C> {
  const dispose = () => {
    value.dispose()
    cache.dispose()
    gradients.dispose()
  }
  return { value, cache, gradients, dispose, [Symbol.dispose]: dispose }
}
