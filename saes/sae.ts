/**
 * The base of all sparse autoencoders: a tf.layers Layer that can be called, saved, loaded and trained like any other,
 * and attached to a model with `withSaes`. Axes: B batch · P position · D d_in · S d_sae (latents)
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, MismatchError, ShapeError } from '../lib/errors/errors.js'
import type { At } from '../lib/core/hooks.js'
import { stopGradient } from '../lib/ops/stop-gradient.js'
import type { Attachable, ModelFacts, Splice, SpliceOptions } from '../lib/core/splice.js'
import type { SaeConfig } from './config.js'
import { checkFits } from './fits.js'
import { normalizeInput, type Normalized } from './normalization.js'
import { frozenPass, latentsPass, trainablePass, type Pass } from './pass.js'
import { checkSpliceOptions, innerPoints, inPlaceOf, isEdited, outputPoints } from './sae-points.js'
import { checkedWeights, SaeWeights } from './sae-weights.js'

export type { Pass } from './pass.js'

export interface SaeArgs {
  readonly config: SaeConfig
  /** Where it came from. @default the hook name */
  readonly label?: string
  /** Names the layer in a tf.LayersModel. */
  readonly name?: string
  /** @default true */
  readonly trainable?: boolean
}

/** A class of SAEs, such as `StandardSae`. */
export type SaeKind = new (args: SaeArgs) => Sae

export abstract class Sae extends tf.layers.Layer implements Attachable {
  readonly config: SaeConfig
  readonly label: string
  /** log10 of how often each latent fires, where the SAE's folder tells. */
  logSparsity: Float32Array | undefined
  readonly #weights: SaeWeights

  constructor({ config, label = config.hookName, name, trainable = true }: SaeArgs) {
    super({ name, trainable } as never)
    this.config = config
    this.label = label
    this.#weights = new SaeWeights(label)
  }

  get hookName(): string {
    return this.config.hookName
  }
  get hookNameOut(): string | undefined {
    return this.config.hookNameOut
  }

  /** Latents [...,S] of a centred, normalized input [...,D]; fires hook_sae_acts_pre and hook_sae_acts_post. */
  protected abstract activations(input: tf.Tensor, pass: Pass): tf.Tensor

  /** Names and shapes of the weights of this kind beside W_enc, W_dec and b_dec. */
  protected abstract otherWeights(): Record<string, number[]>

  /** Whether a latent's activation hangs on the other latents, so that none can be computed alone. */
  get latentsCompete(): boolean {
    return false
  }

  // ---- weights

  /** Names and shapes of all weights: W_enc [D,S], W_dec [S,D], b_dec [D] and what the kind adds. */
  weightShapes(): Record<string, number[]> {
    const { dIn, dSae, dOut = dIn, hasScalingFactor } = this.config
    const scaling: Record<string, number[]> = hasScalingFactor ? { scaling_factor: [dSae] } : {}
    return { W_enc: [dIn, dSae], ...this.otherWeights(), W_dec: [dSae, dOut], b_dec: [dOut], ...scaling }
  }

  override build(): void {
    if (!this.built) this.#create((_, shape) => tf.zeros(shape))
  }

  /** Sets the weights by name; the tensors stay the caller's. @throws ShapeError, ArgumentError */
  load(tensors: Readonly<Record<string, tf.Tensor>>): this {
    const given = checkedWeights(tensors, this.weightShapes(), this.label)
    const value = (name: string) => given(name).cast('float32')
    if (this.built) this.#weights.write(value)
    else this.#create(value)
    return this
  }

  /** Makes the variables, each from a tensor that it takes. */
  #create(value: (name: string, shape: number[]) => tf.Tensor): void {
    for (const [name, shape] of Object.entries(this.weightShapes())) {
      const initializer = tf.initializers.zeros()
      initializer.apply = () => value(name, shape)
      const variable = this.addWeight(name, shape, 'float32', initializer)
      // As `apply` would name it when it builds the layer: a saved model finds its weights by this name.
      ;(variable as { originalName: string }).originalName = `${this.name}/${name}`
      this.#weights.set(name, variable)
    }
    this.built = true
  }

  /** A weight by name, such as `W_dec` [S,D]. Belongs to the SAE. @throws ArgumentError for a name it does not have. */
  weight<T extends tf.Tensor = tf.Tensor>(name: string): T {
    this.build()
    return this.#weights.get<T>(name)
  }
  get W_enc(): tf.Tensor2D {
    return this.weight('W_enc')
  }
  get W_dec(): tf.Tensor2D {
    return this.weight('W_dec')
  }
  get b_dec(): tf.Tensor1D {
    return this.weight('b_dec')
  }

  // ---- computing

  /**
   * Latents [...,S] of an input [...,D] (or [...,H,K] where heads are flattened). The caller owns the result.
   * @param options.latents only these, in this order [...,latents]: only their columns of W_enc are multiplied, but in
   *   a top-k SAE, where latents compete
   * @throws ArgumentError when there is no latent of a number
   */
  encode(x: tf.Tensor, { latents }: { readonly latents?: readonly number[] } = {}): tf.Tensor {
    this.build()
    latents?.forEach((latent) => this.checkLatent(latent))
    return tf.tidy(() => {
      const { value } = normalizeInput(this.#flatten(x), this.config.normalization)
      const input = this.#centre(value)
      if (latents && !this.latentsCompete) return this.activations(input, latentsPass(this.#weights, latents))
      const all = this.activations(input, frozenPass(this.#weights))
      return latents ? tf.gather(all, tf.tensor1d([...latents], 'int32'), all.rank - 1) : all
    })
  }

  /**
   * The reconstruction from latents [...,S]. `input`, what the latents were encoded from, is needed where heads are
   * flattened or the input's own norm has to be put back; without it such an SAE throws ArgumentError.
   */
  decode(acts: tf.Tensor, input?: tf.Tensor): tf.Tensor {
    const { flattenHeads, normalization } = this.config
    if (!input && (flattenHeads || normalization === 'constant_norm_rescale' || normalization === 'layer_norm')) {
      throw new ArgumentError(
        `decode: the SAE '${this.label}' (${flattenHeads ? 'heads flattened' : normalization}) needs the input as well. Call decode(acts, input).`,
      )
    }
    this.build()
    return tf.tidy(() => {
      const recons = this.#reconstruct(acts, frozenPass(this.#weights))
      return input ? this.finish(recons, input, normalizeInput(this.#flatten(input), normalization).undo) : recons
    })
  }

  /** tf.layers' call: the reconstruction, in the input's shape. Differentiable in input and weights. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs
    this.build()
    return tf.tidy(() => this.#through(x, trainablePass(this.#weights)))
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return inputShape
  }

  /** What the SAE makes of x with frozen weights, as a model runs it. */
  protected through(x: tf.Tensor, at?: At): tf.Tensor {
    this.build()
    return this.#through(x, frozenPass(this.#weights, at))
  }

  #through(x: tf.Tensor, pass: Pass): tf.Tensor {
    const input = pass.at('hook_sae_input', this.#flatten(x))
    const { value, undo } = normalizeInput(input, this.config.normalization)
    const acts = this.activations(this.#centre(value), pass)
    return this.finish(pass.at('hook_sae_recons', this.#reconstruct(acts, pass)), x, undo, pass)
  }

  /** hook_sae_acts_pre: input · W_enc + b_enc [...,S]. */
  protected preActivations(input: tf.Tensor, pass: Pass): tf.Tensor {
    return pass.at('hook_sae_acts_pre', pass.multiply(input, 'W_enc', pass.perLatent('b_enc')))
  }

  /** From the reconstruction of the normalized input to what goes on; without a pass, to what latents alone give. */
  protected finish(recons: tf.Tensor, x: tf.Tensor, undo: Normalized['undo'], _pass?: Pass): tf.Tensor {
    return undo(recons).reshape(x.shape)
  }

  #centre(x: tf.Tensor): tf.Tensor {
    return this.config.applyBDecToInput ? x.sub(this.b_dec) : x
  }

  #reconstruct(acts: tf.Tensor, pass: Pass): tf.Tensor {
    const scaled = this.config.hasScalingFactor ? acts.mul(this.weight('scaling_factor')) : acts
    return pass.multiply(scaled, 'W_dec', this.b_dec)
  }

  #flatten(x: tf.Tensor): tf.Tensor {
    const { dIn, flattenHeads } = this.config
    const shape =
      flattenHeads && x.shape.at(-1) !== dIn
        ? [...x.shape.slice(0, -2), x.shape.at(-1)! * (x.shape.at(-2) ?? 0)]
        : x.shape
    if (shape.at(-1) !== dIn) {
      throw new ShapeError(
        `SAE '${this.label}': the input has shape [${x.shape}]. Its last ${flattenHeads ? 'axes must have' : 'axis must have'} ${dIn} numbers.`,
      )
    }
    return x.reshape(shape)
  }

  // ---- attaching

  /** @throws HookError, MismatchError when it was not made for this model; see fits.ts. */
  checkFits(model: ModelFacts, force: boolean): void {
    checkFits(this.config, this.label, model, force)
  }

  splice(options: SpliceOptions = {}): Splice {
    checkSpliceOptions(options)
    const shape = this.config.flattenHeads ? '[B,P,H,K]' : '[B,P,D]'
    const points = [...innerPoints, ...outputPoints(options.errorTerm ?? false, shape)]
    return { hookName: this.hookName, points, apply: (x, at) => tf.tidy(() => this.#apply(x, at, options)) }
  }

  #apply(x: tf.Tensor, at: At, options: SpliceOptions): tf.Tensor {
    const input = options.errorGradient === 'passThrough' ? stopGradient(x) : x
    const clean = isEdited(at) ? () => this.through(x) : undefined
    return inPlaceOf(x, this.through(input, at), clean, at, options)
  }

  /**
   * What one unit of each latent writes, [S,D], or of some, in their order; and the bias, [D]. The caller owns both.
   * @throws MismatchError
   */
  writes({ latents }: { readonly latents?: readonly number[] } = {}): { directions: tf.Tensor2D; bias: tf.Tensor1D } {
    const { normalization, hasScalingFactor } = this.config
    if (normalization === 'layer_norm' || normalization === 'constant_norm_rescale') {
      throw new MismatchError(
        `writes: the SAE '${this.label}' puts the input's own norm back (${normalization}), so what a latent writes is not fixed. Use an SAE without that.`,
      )
    }
    latents?.forEach((latent) => this.checkLatent(latent))
    const directions = tf.tidy(() => {
      const some = <T extends tf.Tensor>(x: T): T => (latents ? tf.gather(x, tf.tensor1d([...latents], 'int32')) : x.clone()) // prettier-ignore
      const rows = some(this.W_dec)
      return hasScalingFactor ? rows.mul<tf.Tensor2D>(some(this.weight('scaling_factor')).expandDims(1)) : rows
    })
    return { directions, bias: this.b_dec.clone() }
  }

  /** @throws ArgumentError when there is no latent of this number. */
  checkLatent(latent: number): void {
    if (Number.isInteger(latent) && latent >= 0 && latent < this.config.dSae) return
    throw new ArgumentError(`latent ${latent}: the SAE '${this.label}' has latents 0 to ${this.config.dSae - 1}.`)
  }

  // ---- as a layer

  /** What `fromConfig` makes this SAE of, without its weights. */
  override getConfig(): tf.serialization.ConfigDict {
    // tf.layers saves strings in snake case and loads them in camel case, hook names too: all but what is called `name`
    return { ...super.getConfig(), sae: { name: JSON.stringify({ config: this.config, label: this.label }) } }
  }

  static override fromConfig<T extends tf.serialization.Serializable>(
    Kind: tf.serialization.SerializableConstructor<T>,
    { sae, ...config }: tf.serialization.ConfigDict,
  ): T {
    return new Kind({ ...config, ...JSON.parse((sae as { name: string }).name) })
  }

  /** Frees weights and kept transposes, also of an SAE that no tf.LayersModel holds. */
  override dispose(): { refCountAfterDispose: number; numDisposedVariables: number } {
    return { refCountAfterDispose: 0, numDisposedVariables: this.#weights.dispose() }
  }
  [Symbol.dispose](): void {
    this.dispose()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { architecture, dIn, dSae } = this.config
    return `Sae ${this.label}: ${architecture}, ${dIn} → ${dSae} latents, at ${this.hookName}`
  }
}
