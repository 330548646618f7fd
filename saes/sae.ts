/**
 * The base of all sparse autoencoders: a tf.layers Layer that can be called, saved, loaded and trained like any other,
 * and attached to a model with `withSaes`. Axes: B batch · P position · D d_in · S d_sae (latents)
 */
import * as tf from '@tensorflow/tfjs'
import { ArgumentError, MismatchError, ShapeError } from '../lib/errors.js'
import { silent, type At, type HookPoint } from '../lib/hooks.js'
import { linear, Matrix } from '../lib/ops/linear.js'
import { detached, stopGradient, straightThrough } from '../lib/ops/stop-gradient.js'
import type { Attachable, ModelFacts, Splice, SpliceOptions } from '../lib/splice.js'
import type { SaeConfig } from './config.js'
import { checkFits } from './fits.js'
import { normalizeInput } from './normalization.js'

/** One pass through an SAE: who listens, and how it multiplies (frozen and fast, or trainable). */
export interface Pass {
  readonly at: At
  multiply(x: tf.Tensor, matrix: 'W_enc' | 'W_dec'): tf.Tensor
}

export interface SaeArgs {
  readonly cfg: SaeConfig
  /** Where it came from. @default the hook name */
  readonly label?: string
  /** Names the layer in a tf.LayersModel. */
  readonly name?: string
  /** @default true */
  readonly trainable?: boolean
}

const points: HookPoint[] = [
  { name: 'hook_sae_input', shape: '[B,P,D]' },
  { name: 'hook_sae_acts_pre', shape: '[B,P,S]' },
  { name: 'hook_sae_acts_post', shape: '[B,P,S]' },
  { name: 'hook_sae_recons', shape: '[B,P,D]' },
]
const errorPoint = 'hook_sae_error'
const outputPoint = 'hook_sae_output'

export abstract class Sae extends tf.layers.Layer implements Attachable {
  readonly cfg: SaeConfig
  readonly label: string
  /** log10 of how often each latent fires, where the SAE's folder tells. */
  logSparsity: Float32Array | undefined
  readonly #variables = new Map<string, tf.LayerVariable>()
  readonly #matrices = new Map<string, Matrix>()

  constructor({ cfg, label = cfg.hookName, name, trainable = true }: SaeArgs) {
    super({ name, trainable } as never)
    this.cfg = cfg
    this.label = label
  }

  get hookName(): string {
    return this.cfg.hookName
  }

  /** Latents [...,S] of a centred, normalized input [...,D]; fires hook_sae_acts_pre and hook_sae_acts_post. */
  protected abstract activations(input: tf.Tensor, pass: Pass): tf.Tensor

  /** Names and shapes of the weights of this kind beside W_enc, W_dec and b_dec. */
  protected abstract otherWeights(): Record<string, number[]>

  // ---- weights

  /** Names and shapes of all weights: W_enc [D,S], W_dec [S,D], b_dec [D] and what the kind adds. */
  weightShapes(): Record<string, number[]> {
    const { dIn, dSae, hasScalingFactor } = this.cfg
    const scaling: Record<string, number[]> = hasScalingFactor ? { scaling_factor: [dSae] } : {}
    return { W_enc: [dIn, dSae], ...this.otherWeights(), W_dec: [dSae, dIn], b_dec: [dIn], ...scaling }
  }

  override build(): void {
    if (this.built) return
    for (const [name, shape] of Object.entries(this.weightShapes())) {
      const variable = this.addWeight(name, shape, 'float32', tf.initializers.zeros())
      // As `apply` would name it when it builds the layer: a saved model finds its weights by this name.
      ;(variable as { originalName: string }).originalName = `${this.name}/${name}`
      this.#variables.set(name, variable)
    }
    this.built = true
  }

  /** Sets the weights by name; the tensors stay the caller's. @throws ShapeError, ArgumentError */
  load(tensors: Readonly<Record<string, tf.Tensor>>): this {
    this.build()
    for (const [name, variable] of this.#variables) {
      const tensor = tensors[name]
      if (!tensor)
        throw new ArgumentError(
          `load: the SAE '${this.label}' has a weight '${name}', which is not among ${Object.keys(tensors).join(', ')}.`,
        )
      if (tensor.shape.join() !== variable.shape.join()) {
        throw new ShapeError(
          `load: ${name} of the SAE '${this.label}' has shape [${tensor.shape}]. Its config asks for [${variable.shape}].`,
        )
      }
      variable.write(tensor)
    }
    return this
  }

  /** A weight by name, such as `W_dec` [S,D]. Belongs to the SAE. @throws ArgumentError for a name it does not have. */
  weight<T extends tf.Tensor = tf.Tensor>(name: string): T {
    this.build()
    const variable = this.#variables.get(name)
    if (this.#variables.size === 0)
      throw new ArgumentError(`weight: the SAE '${this.label}' was disposed. Load it again.`)
    if (!variable)
      throw new ArgumentError(
        `weight: the SAE '${this.label}' has no '${name}'. It has ${[...this.#variables.keys()].join(', ')}.`,
      )
    return variable.read() as T
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

  /** Latents [...,S] of an input [...,D] (or [...,H,K] where heads are flattened). The caller owns the result. */
  encode(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const { value } = normalizeInput(this.#flatten(x), this.cfg.normalization)
      return this.activations(this.#centre(value), this.#frozen(silent))
    })
  }

  /**
   * The reconstruction from latents [...,S]. `input`, what the latents were encoded from, is needed where heads are
   * flattened or the input's own norm has to be put back; without it such an SAE throws ArgumentError.
   */
  decode(acts: tf.Tensor, input?: tf.Tensor): tf.Tensor {
    const { flattenHeads, normalization } = this.cfg
    if (!input && (flattenHeads || normalization === 'constant_norm_rescale' || normalization === 'layer_norm')) {
      throw new ArgumentError(
        `decode: the SAE '${this.label}' (${flattenHeads ? 'heads flattened' : normalization}) needs the input as well. Call decode(acts, input).`,
      )
    }
    return tf.tidy(() => {
      const recons = this.#reconstruct(acts, this.#frozen(silent))
      if (!input) return recons
      return normalizeInput(this.#flatten(input), normalization).undo(recons).reshape(input.shape)
    })
  }

  /** tf.layers' call: the reconstruction, in the input's shape. Differentiable in input and weights. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs
    const multiply: Pass['multiply'] = (rows, name) => {
      const W = this.weight<tf.Tensor2D>(name)
      const flat = rows.reshape<tf.Tensor2D>([-1, W.shape[0]])
      return tf.matMul(flat, W).reshape([...rows.shape.slice(0, -1), W.shape[1]])
    }
    return tf.tidy(() => this.#through(x, { at: silent, multiply }))
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return inputShape
  }

  #through(x: tf.Tensor, pass: Pass): tf.Tensor {
    const input = pass.at('hook_sae_input', this.#flatten(x))
    const { value, undo } = normalizeInput(input, this.cfg.normalization)
    const acts = this.activations(this.#centre(value), pass)
    return undo(pass.at('hook_sae_recons', this.#reconstruct(acts, pass))).reshape(x.shape)
  }

  #centre(x: tf.Tensor): tf.Tensor {
    return this.cfg.applyBDecToInput ? x.sub(this.b_dec) : x
  }

  #reconstruct(acts: tf.Tensor, pass: Pass): tf.Tensor {
    const scaled = this.cfg.hasScalingFactor ? acts.mul(this.weight('scaling_factor')) : acts
    return pass.multiply(scaled, 'W_dec').add(this.b_dec)
  }

  #flatten(x: tf.Tensor): tf.Tensor {
    const { dIn, flattenHeads } = this.cfg
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

  #frozen(at: At): Pass {
    return { at, multiply: (x, name) => linear(x, this.#matrix(name)) }
  }

  #matrix(name: string): Matrix {
    let matrix = this.#matrices.get(name)
    if (!matrix) this.#matrices.set(name, (matrix = new Matrix(this.weight(name))))
    return matrix
  }

  // ---- attaching

  /** @throws HookError, MismatchError when it was not made for this model; see fits.ts. */
  checkFits(model: ModelFacts, force: boolean): void {
    checkFits(this.cfg, this.label, model, force)
  }

  splice(options: SpliceOptions = {}): Splice {
    const { errorTerm = false, errorGradient = 'detach' } = options
    if (errorGradient !== 'detach' && errorGradient !== 'passThrough') {
      throw new ArgumentError(
        `withSaes: errorGradient is '${String(errorGradient)}'. It must be 'detach' or 'passThrough'.`,
      )
    }
    if (errorGradient === 'passThrough' && !errorTerm) {
      throw new ArgumentError(
        "withSaes: errorGradient 'passThrough' is about the error term. Set errorTerm: true as well.",
      )
    }
    const shape = this.cfg.flattenHeads ? '[B,P,H,K]' : '[B,P,D]'
    const outputs: HookPoint[] = [...(errorTerm ? [{ name: errorPoint, shape }] : []), { name: outputPoint, shape }]
    const apply = (x: tf.Tensor, at: At) => {
      if (!errorTerm) return at(outputPoint, this.#through(x, this.#frozen(at)))
      return at(outputPoint, this.#withError(x, at, errorGradient === 'passThrough'))
    }
    return { hookName: this.hookName, points: [...points, ...outputs], apply: (x, at) => tf.tidy(() => apply(x, at)) }
  }

  /**
   * Reconstruction plus error, the error of the clean reconstruction: hooks inside the SAE change what comes out, and
   * the error does not undo it.
   */
  #withError(x: tf.Tensor, at: At, passThrough: boolean): tf.Tensor {
    const reconstruction = this.#through(passThrough ? stopGradient(x) : x, this.#frozen(at))
    const edited = points.some((p) => at.replaces(p.name))
    const error = edited
      ? detached(() => x.sub(this.#through(x, this.#frozen(silent))), x)
      : detached(() => x.sub(reconstruction), x, reconstruction)
    const output = reconstruction.add(at(errorPoint, error))
    return passThrough ? straightThrough(output, x) : output
  }

  /** What one unit of each latent writes, [S,D], and the bias, [D]. The caller owns both. @throws MismatchError */
  writes(): { directions: tf.Tensor2D; bias: tf.Tensor1D } {
    const { normalization, hasScalingFactor, dSae } = this.cfg
    if (normalization === 'layer_norm' || normalization === 'constant_norm_rescale') {
      throw new MismatchError(
        `writes: the SAE '${this.label}' puts the input's own norm back (${normalization}), so what a latent writes is not fixed. Use an SAE without that.`,
      )
    }
    const scaled = () => tf.tidy(() => this.W_dec.mul<tf.Tensor2D>(this.weight('scaling_factor').reshape([dSae, 1])))
    return { directions: hasScalingFactor ? scaled() : this.W_dec.clone(), bias: this.b_dec.clone() }
  }

  /** @throws ArgumentError when there is no latent of this number. */
  checkLatent(latent: number): void {
    if (Number.isInteger(latent) && latent >= 0 && latent < this.cfg.dSae) return
    throw new ArgumentError(`latent ${latent}: the SAE '${this.label}' has latents 0 to ${this.cfg.dSae - 1}.`)
  }

  // ---- as a layer

  /** What `fromConfig` makes this SAE of, without its weights. */
  override getConfig(): tf.serialization.ConfigDict {
    // tf.layers saves strings in snake case and loads them in camel case, hook names too: all but what is called `name`
    return { ...super.getConfig(), sae: { name: JSON.stringify({ cfg: this.cfg, label: this.label }) } }
  }

  static override fromConfig<T extends tf.serialization.Serializable>(
    Kind: tf.serialization.SerializableConstructor<T>,
    { sae, ...config }: tf.serialization.ConfigDict,
  ): T {
    return new Kind({ ...config, ...JSON.parse((sae as { name: string }).name) })
  }

  /** Frees weights and kept transposes, also of an SAE that no tf.LayersModel holds. */
  override dispose(): { refCountAfterDispose: number; numDisposedVariables: number } {
    const before = this.#variables.size
    for (const matrix of this.#matrices.values()) matrix.dispose()
    for (const variable of this.#variables.values()) variable.dispose()
    this.#matrices.clear()
    this.#variables.clear()
    return { refCountAfterDispose: 0, numDisposedVariables: before }
  }
  [Symbol.dispose](): void {
    this.dispose()
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { architecture, dIn, dSae } = this.cfg
    return `Sae ${this.label}: ${architecture}, ${dIn} → ${dSae} latents, at ${this.hookName}`
  }
}
