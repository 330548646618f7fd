/** ActivationCache: the activations of one run, by hook name. It owns its tensors. */
import * as tf from '@tensorflow/tfjs'
import { HookError } from '../errors/errors.js'
import { actName } from '../transformer/hook-names.js'
import { axesOf, type HookPoint, type Observer } from './hooks.js'
import { didYouMean } from '../errors/nearest.js'
import type { Tokens } from '../tokens/tokens.js'
import * as decompose from '../residual/decompose.js'
import { headResults } from '../residual/decompose-parts.js'
import { sliceRange, type PositionSlice } from './positions.js'

export class ActivationCache {
  /** What the run was of. */
  readonly tokens: Tokens
  readonly #tensors: Map<string, tf.Tensor>
  readonly #output: tf.Tensor | undefined
  readonly #model: decompose.DecomposedModel

  /** Takes ownership of the tensors. */
  constructor(model: decompose.DecomposedModel, tensors: Map<string, tf.Tensor>, tokens: Tokens, output?: tf.Tensor) {
    this.#model = model
    this.#tensors = tensors
    this.#output = output && tf.keep(output) // like the activations, through a caller's tidy
    this.tokens = tokens
  }

  /** Logits [B,P,V] of the run, [B,P,C] of the tokens it was to give, or the residual stream [B,P,D] where the view stops at a layer. */
  get logits(): tf.Tensor3D {
    if (!this.#output) throw new HookError('cache.logits: the run left the logits out. Run without { logits: false }.')
    return this.#output as tf.Tensor3D
  }

  /** Names held, in firing order. */
  get names(): string[] {
    return [...this.#tensors.keys()]
  }

  has(name: string, layer?: number, part?: string): boolean {
    return this.#tensors.has(this.#fullName(name, layer, part))
  }

  /**
   * The activation at a hook point, by full name or shorthand: `get('blocks.7.hook_resid_pre')`, `get('resid_pre', 7)`,
   * `get('resid_post', -1)`, `get('k6')`, `get('scale', 3, 'ln1')`. Belongs to the cache: clone what must outlive it.
   * @throws HookError naming the nearest entry.
   */
  get<T extends tf.Tensor = tf.Tensor>(name: string, layer?: number, part?: string): T {
    const full = this.#fullName(name, layer, part)
    const tensor = this.#tensors.get(full)
    if (!tensor) {
      throw new HookError(
        `cache.get: there is no '${full}' in this cache of ${this.#tensors.size} activations.${didYouMean(full, this.names)} Add it to the names of the run.`,
      )
    }
    return tensor as T
  }

  /** A negative layer counts from the last, as in TransformerLens. */
  #fullName(name: string, layer?: number, part?: string): string {
    return actName(name, layer !== undefined && layer < 0 ? layer + this.#model.config.nLayers : layer, part)
  }

  entries(): IterableIterator<[string, tf.Tensor]> {
    return this.#tensors.entries()
  }

  /** Bytes held, shared data counted for each name. */
  get bytes(): number {
    return [...this.#tensors.values()].reduce((sum, t) => sum + t.size * 4, 0)
  }

  // ---- the residual stream in parts; see decompose.ts

  /** The residual stream before each layer and after the last. */
  accumulatedResid(options?: Parameters<typeof decompose.accumulatedResid>[2]): decompose.Parts {
    return decompose.accumulatedResid(this.#model, this, options)
  }
  /** What each layer wrote to the residual stream. */
  decomposeResid(options?: Parameters<typeof decompose.decomposeResid>[2]): decompose.Parts {
    return decompose.decomposeResid(this.#model, this, options)
  }
  /** What each head wrote. */
  stackHeadResults(options?: Parameters<typeof decompose.stackHeadResults>[2]): decompose.Parts {
    return decompose.stackHeadResults(this.#model, this, options)
  }
  /** What each neuron wrote. */
  stackNeuronResults(options?: decompose.InnerPartsOptions): decompose.Parts {
    return decompose.stackNeuronResults(this.#model, this, options)
  }
  /** Heads, neurons or MLPs, embeddings and biases: the parts sum to the residual stream. */
  fullResidDecomposition(options?: Parameters<typeof decompose.fullResidDecomposition>[2]): decompose.Parts {
    return decompose.fullResidDecomposition(this.#model, this, options)
  }
  /** Parts [C,B,P,D] as the norm behind them sees them. */
  applyLnToStack(stack: tf.Tensor, options?: decompose.PartsOptions): tf.Tensor {
    return decompose.applyLnToStack(this.#model, this, stack, options)
  }
  /** One activation of all layers below `layer` (−1: of all), [L,…] as `get`. The caller owns it. */
  stackActivation(name: string, layer = -1, part?: string): tf.Tensor {
    const { nLayers } = this.#model.config
    const layers = Array.from({ length: layer < 0 ? nLayers + 1 + layer : layer }, (_, l) => l)
    return tf.stack(layers.map((l) => this.get(name, l, part)))
  }
  /** Adds each layer's `attn.hook_result` [B,P,H,D], z · W_O of each head, where the run did not keep it. */
  computeHeadResults(): void {
    for (const [name, result] of headResults(this.#model, this)) this.#tensors.set(name, tf.keep(result))
  }
  /** What each part adds to tokens' logits, [C,B,P]. */
  logitAttrs(
    stack: tf.Tensor,
    tokens: number | readonly number[],
    options?: Parameters<typeof decompose.logitAttrs>[4],
  ): tf.Tensor {
    return decompose.logitAttrs(this.#model, this, stack, tokens, options)
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose()
    this.#tensors.clear()
    this.#output?.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const lines = [...this.#tensors].map(([name, t]) => `  ${name} [${t.shape}]`)
    const shown = lines.length > 40 ? [...lines.slice(0, 40), `  … ${lines.length - 40} more`] : lines
    return `ActivationCache of ${lines.length} activations, ${(this.bytes / 2 ** 20).toFixed(1)} MiB\n${shown.join('\n')}`
  }
}

/** Keeps a copy-free clone of what passes the chosen points; only some positions of it when asked. */
export class Recorder implements Observer {
  readonly names: ReadonlySet<string>
  readonly kept = new Map<string, tf.Tensor>()
  readonly #points: ReadonlyMap<string, HookPoint>
  readonly #positions: PositionSlice | undefined

  constructor(names: readonly string[], points: readonly HookPoint[], positions?: PositionSlice) {
    this.names = new Set(names)
    this.#points = new Map(points.map((p) => [p.name, p]))
    this.#positions = positions
  }

  see<T extends tf.Tensor>(name: string, x: T): T {
    this.kept.get(name)?.dispose() // a point that fires more than once keeps its last value, as in TransformerLens
    this.kept.set(name, tf.keep(this.#sliced(name, x)))
    return x
  }

  #sliced(name: string, x: tf.Tensor): tf.Tensor {
    if (this.#positions === undefined) return x.clone()
    const axis = positionAxis(this.#points.get(name)!)
    const { begin, size } = sliceRange(this.#positions, x.shape[axis]!)
    return x.slice(
      x.shape.map((_, i) => (i === axis ? begin : 0)),
      x.shape.map((n, i) => (i === axis ? size : n)),
    )
  }

  dispose(): void {
    for (const tensor of this.kept.values()) tensor.dispose()
    this.kept.clear()
  }
}

/** The axis of positions: the first P, which for scores and pattern [B,H,P,P] is the query's. */
export function positionAxis(point: HookPoint): number {
  return axesOf(point.shape).indexOf('P')
}
