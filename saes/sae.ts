/**
 * The base of all sparse autoencoders: a tf.layers Layer that can be called, saved, loaded and trained like any other,
 * and attached to a model with `withSaes`. Axes: B batch · P position · D d_in · S d_sae (latents)
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, ConfigError } from '../lib/errors/errors.js'
import type { At } from '../lib/core/hooks.js'
import { stopGradient } from '../lib/ops/stop-gradient.js'
import type { Attachable, ModelFacts, Splice, SpliceOptions } from '../lib/core/splice.js'
import type { SaeConfig } from './config.js'
import { checkFits } from './fits.js'
import { checkDecodesAlone, flattened, normalizeInput } from './input.js'
import { frozenPass, latentsPass, trainablePass, type Finishing, type Pass } from './pass.js'
import { checkSpliceOptions, innerPoints, inPlaceOf, isEdited, outputPoints } from './sae-points.js'
import { checkedWeights, SaeWeights } from './sae-weights.js'
import { writesOf, type Writes } from './writes.js'

export type { Finishing, Pass } from './pass.js'

/** What an SAE is made from, without its weights. */
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

/**
 * A sparse autoencoder: latents f = activations((norm(x) − b_dec) · W_enc …) [...,S], reconstruction
 * x̂ = undo(f · W_dec + b_dec) [...,D]. A kind of SAE says what `activations` does and which weights it adds; see
 * docs/adding-an-sae.md. Hook points and formulas as in SAELens.
 *
 * @example
 * using sae = await loadSae('pocket-res', 'blocks.2.hook_resid_pre')
 * const acts = sae.encode(x) // [...,S]
 * const recons = sae.decode(acts) // [...,D]
 */
export abstract class Sae extends tf.layers.Layer implements Attachable {
  readonly config: SaeConfig
  readonly label: string
  /** log10 of how often each latent fires [S], where the SAE's files say so. */
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

  // ---- what a kind says

  /** Latents [...,S] of a centred, normalized input [...,D]; fires hook_sae_acts_pre and hook_sae_acts_post. */
  protected abstract activations(input: tf.Tensor, pass: Pass): tf.Tensor

  /** Names and shapes of the weights of this kind besides W_enc, W_dec and b_dec. */
  protected abstract otherWeights(): Record<string, number[]>

  /** Whether a latent's activation depends on the other latents, so that none can be computed alone. */
  get latentsCompete(): boolean {
    return false
  }

  /** From the reconstruction of the normalized input to the output; without a pass, to what latents alone give. */
  protected finish(recons: tf.Tensor, { x, undo }: Finishing): tf.Tensor {
    return undo(recons).reshape(x.shape)
  }

  /** hook_sae_acts_pre: input · W_enc + b_enc [...,S]. */
  protected preActivations(input: tf.Tensor, pass: Pass): tf.Tensor {
    return pass.at('hook_sae_acts_pre', pass.multiply(input, 'W_enc', pass.perLatent('b_enc')))
  }

  /** How many latents fire, of a kind that keeps the k largest. @throws ConfigError where the config has no k */
  protected get k(): number {
    const { k, architecture } = this.config
    if (k !== undefined) return k
    throw new ConfigError(`the config of '${this.label}' has no k. A ${architecture} SAE needs it.`)
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

  /**
   * Sets all weights by name; the tensors stay the caller's.
   * @throws ArgumentError for a name that is missing, ShapeError for another shape than the config's
   */
  load(tensors: Readonly<Record<string, tf.Tensor>>): this {
    const given = checkedWeights(tensors, this.weightShapes(), this.label)
    const value = (name: string) => given(name).cast<tf.Tensor>('float32')
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

  /**
   * A weight by name, such as `W_dec` [S,D]. It belongs to the SAE: do not dispose it.
   * @throws ArgumentError for a name it does not have, or when the SAE was disposed
   */
  weight<T extends tf.Tensor = tf.Tensor>(name: string): T {
    this.build()
    return this.#weights.get<T>(name)
  }

  /**
   * The same as a tensor of your own: dispose it, or take it inside `tf.tidy`.
   * @throws ArgumentError as `weight`
   */
  copyWeight<T extends tf.Tensor = tf.Tensor>(name: string): T {
    return this.weight<T>(name).clone()
  }

  /** The encoder [D,S]. Belongs to the SAE. */
  get W_enc(): tf.Tensor2D {
    return this.weight('W_enc')
  }
  /** The decoder [S,D], a row for what each latent writes. Belongs to the SAE. */
  get W_dec(): tf.Tensor2D {
    return this.weight('W_dec')
  }
  /** The decoder's bias [D]. Belongs to the SAE. */
  get b_dec(): tf.Tensor1D {
    return this.weight('b_dec')
  }

  // ---- computing

  /**
   * Latents [...,S] of an input [...,D] (or [...,H,K] where heads are flattened). The caller owns the result.
   * @param options.latents only these, in this order [...,latents]: only their columns of W_enc are multiplied, except
   *   in a top-k SAE, where latents compete
   * @throws ArgumentError when there is no latent of a number, ShapeError for an input of another width
   */
  encode(x: tf.Tensor, { latents }: { readonly latents?: readonly number[] } = {}): tf.Tensor {
    this.build()
    latents?.forEach((latent) => this.checkLatent(latent))
    return tf.tidy(() => {
      const { value } = normalizeInput(flattened(x, this.config, this.label), this.config.normalization)
      const input = this.#centre(value)
      if (latents && !this.latentsCompete) return this.activations(input, latentsPass(this.#weights, latents))
      const all = this.activations(input, frozenPass(this.#weights))
      return latents ? tf.gather(all, tf.tensor1d([...latents], 'int32'), all.rank - 1) : all
    })
  }

  /**
   * The reconstruction [...,D] from latents [...,S]. The caller owns it.
   * @param input what the latents were encoded from: needed where heads are flattened, or where the input's own norm
   *   has to be put back
   * @throws ArgumentError where such an SAE is not given its input
   */
  decode(acts: tf.Tensor, input?: tf.Tensor): tf.Tensor {
    if (!input) checkDecodesAlone(this.config, this.label)
    this.build()
    return tf.tidy(() => {
      const recons = this.#reconstruct(acts, frozenPass(this.#weights))
      if (!input) return recons
      const { undo } = normalizeInput(flattened(input, this.config, this.label), this.config.normalization)
      return this.finish(recons, { x: input, undo })
    })
  }

  /** tf.layers' call: the reconstruction, in the input's shape. Differentiable in input and weights. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x] = Array.isArray(inputs) ? inputs : [inputs]
    if (!x) throw new ArgumentError(`call: the SAE '${this.label}' got no input. Give one tensor.`)
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
    const input = pass.at('hook_sae_input', flattened(x, this.config, this.label))
    const { value, undo } = normalizeInput(input, this.config.normalization)
    const acts = this.activations(this.#centre(value), pass)
    return this.finish(pass.at('hook_sae_recons', this.#reconstruct(acts, pass)), { x, undo, pass })
  }

  #centre(x: tf.Tensor): tf.Tensor {
    return this.config.applyBDecToInput ? x.sub(this.b_dec) : x
  }

  #reconstruct(acts: tf.Tensor, pass: Pass): tf.Tensor {
    const scaled = this.config.hasScalingFactor ? acts.mul(this.weight('scaling_factor')) : acts
    return pass.multiply(scaled, 'W_dec', this.b_dec)
  }

  // ---- attaching

  /** @throws HookError, MismatchError when it was not made for this model; see fits.ts. */
  checkFits(model: ModelFacts, force: boolean): void {
    checkFits(this, model, force)
  }

  /** What `withSaes` puts in at the hook point. @throws ArgumentError for options that do not go together */
  splice(options: SpliceOptions = {}): Splice {
    checkSpliceOptions(options)
    const shape = this.config.flattenHeads ? '[B,P,H,K]' : '[B,P,D]'
    const points = [...innerPoints, ...outputPoints(options.errorTerm ?? false, shape)]
    return { hookName: this.hookName, points, apply: (x, at) => tf.tidy(() => this.#apply(x, at, options)) }
  }

  #apply(x: tf.Tensor, at: At, options: SpliceOptions): tf.Tensor {
    const input = options.errorGradient === 'passThrough' ? stopGradient(x) : x
    const clean = isEdited(at) ? () => this.through(x) : undefined
    return inPlaceOf({ value: x, recons: this.through(input, at), clean }, at, options)
  }

  /**
   * What one unit of each latent writes, [S,D], or of some, in their order; and the bias, [D]. The caller owns both.
   * @throws MismatchError where the SAE puts the input's own norm back, so that it is not fixed
   */
  writes({ latents }: { readonly latents?: readonly number[] } = {}): Writes {
    return writesOf(this, latents)
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
