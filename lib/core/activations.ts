/** Activations of one run by hook name, and the gradients at them: tensors with one owner. */
import * as tf from '@tensorflow/tfjs'
import { HookError } from '../errors/errors.js'
import { didYouMean } from '../errors/nearest.js'
import type { Tokens } from '../tokens/tokens.js'
import { hook } from '../transformer/hook-names.js'

/** What a run leaves. */
export interface ActivationsInit {
  /** Layers of the model, for layers that are counted from the end. */
  readonly nLayers: number
  /** In firing order. */
  readonly tensors: Map<string, tf.Tensor>
  readonly tokens: Tokens
  /** Logits, or the residual stream where the run stopped; undefined where they were left out. */
  readonly output?: tf.Tensor | undefined
}

/** The activations of one run. It owns its tensors: dispose it, or declare it with `using`. */
export class Activations {
  /** What the run was of. */
  readonly tokens: Tokens
  readonly #nLayers: number
  readonly #tensors: Map<string, tf.Tensor>
  readonly #output: tf.Tensor | undefined

  /** Takes ownership of the tensors. */
  constructor({ nLayers, tensors, tokens, output }: ActivationsInit) {
    this.tokens = tokens
    this.#nLayers = nLayers
    this.#tensors = tensors
    this.#output = output && tf.keep(output) // like the activations, through a caller's tidy
  }

  /**
   * Logits [B,P,V] of the run, [B,P,C] of the tokens it was to give, or the residual stream [B,P,D] where the view stops
   * at a layer. They belong to the cache.
   * @throws HookError where the run left them out
   */
  get logits(): tf.Tensor3D {
    if (!this.#output) throw new HookError('cache.logits: the run left the logits out. Run without { logits: false }.')
    return this.#output as tf.Tensor3D
  }

  /** Names held, in firing order. */
  get names(): string[] {
    return [...this.#tensors.keys()]
  }

  /** Whether there is an activation of this name, full or short as in `get`. */
  has(name: string, layer?: number, part?: string): boolean {
    return this.#tensors.has(this.#fullName(name, layer, part))
  }

  /**
   * The activation at a hook point, by full name or shorthand. It belongs to the cache: clone what must outlive it.
   *
   * @example
   * cache.get('blocks.7.hook_resid_pre') // [B,P,D]
   * cache.get('resid_pre', 7) // the same
   * cache.get('resid_post', -1) // of the last layer
   * cache.get('scale', 3, 'ln1')
   * @throws HookError naming the nearest entry
   */
  get<T extends tf.Tensor = tf.Tensor>(name: string, layer?: number, part?: string): T {
    const full = this.#fullName(name, layer, part)
    const tensor = this.#tensors.get(full)
    if (tensor) return tensor as T
    const hint = didYouMean(full, this.names)
    throw new HookError(
      `cache.get: there is no '${full}' in this cache of ${this.#tensors.size} activations.${hint} Add it to the names of the run.`,
    )
  }

  /** A negative layer counts from the last, as in TransformerLens. */
  #fullName(name: string, layer?: number, part?: string): string {
    return hook(name, layer !== undefined && layer < 0 ? layer + this.#nLayers : layer, part)
  }

  /** Names and activations, in firing order. */
  entries(): IterableIterator<[string, tf.Tensor]> {
    return this.#tensors.entries()
  }

  /** Adds an activation, which belongs to the cache from then on. */
  protected add(name: string, tensor: tf.Tensor): void {
    this.#tensors.set(name, tf.keep(tensor))
  }

  /** Bytes held, shared data counted for each name. */
  get bytes(): number {
    return [...this.#tensors.values()].reduce((sum, t) => sum + t.size * 4, 0)
  }

  /** Frees the activations and the logits. */
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
    const mebibytes = (this.bytes / 2 ** 20).toFixed(1)
    return `ActivationCache of ${lines.length} activations, ${mebibytes} MiB\n${shown.join('\n')}`
  }
}
