/** What an SAE is to a model: something put in at a hook point. The library's core knows no more of SAEs than this. */
import type * as tf from '@tensorflow/tfjs'
import type { At, HookPoint } from './hooks.js'
import type { ProcessingFlags } from '../weights/process.js'

/**
 * How gradients pass an SAE's error term, x − reconstruction.
 * - `detach`: the error is a constant; gradients reach x through the encoder only (SAELens).
 * - `passThrough`: x takes the gradient of the SAE's output; none flows through encoder or error (Marks et al. 2024,
 *   Sparse Feature Circuits, arXiv:2403.19647).
 */
export type ErrorGradient = 'detach' | 'passThrough'

export interface SpliceOptions {
  /** Add x − reconstruction behind the SAE, so that the model computes what it did without it. @default false */
  readonly errorTerm?: boolean
  /** @default 'detach' */
  readonly errorGradient?: ErrorGradient
}

/** A function put in at a hook point, with hook points of its own below that name. */
export interface Splice {
  readonly hookName: string
  /** Hook points under the site, names relative to it (`hook_sae_acts_post`). */
  readonly points: readonly HookPoint[]
  /** What it makes of x, the value at the site: it goes on in x's place, unless there is an `output`. */
  apply(x: tf.Tensor, at: At): tf.Tensor
  /** Of a transcoder. */
  readonly output?: SpliceOutput
}

/** Another, later hook point that a splice writes at. What it reads goes on unchanged. */
export interface SpliceOutput {
  readonly hookName: string
  readonly points: readonly HookPoint[]
  /** What of x is needed to write; the run keeps it until then. */
  read(x: tf.Tensor, at: At): tf.Tensor[]
  /** y is the value at the output's point; the result goes on in its place. */
  write(y: tf.Tensor, read: readonly tf.Tensor[], at: At): tf.Tensor
}

/** The point of a splice that sees what goes on in the value's place, relative to where it writes. */
export const outputPoint = 'hook_sae_output'

/** The hook point of the model that a site hangs under, where SAEs sit at each other's output. */
export const plainPoint = (site: string): string => site.replace(/(\.hook_sae_output)+$/, '')

/** The facts about a model that decide whether something fits it. */
export interface ModelFacts {
  readonly name: string
  readonly dModel: number
  readonly nLayers: number
  readonly hookPoints: readonly HookPoint[]
  /** Length of the last axes of an activation at a hook point, batch and position left out: [H,K] for hook_z. */
  featureShape(hookName: string): readonly number[]
  readonly processing: ProcessingFlags
  /** False when no weight processing can change the activation at this point (RMS norms without biases). */
  dependsOn(flag: keyof ProcessingFlags, hookName: string): boolean
}

/** Something `withSaes` can attach: an SAE layer satisfies this. */
export interface Attachable {
  /** Where it came from, for messages and provenance. */
  readonly label: string
  readonly hookName: string
  /** Where it writes, when that is another point than it reads. */
  readonly hookNameOut?: string
  /** @throws MismatchError or HookError when it does not belong to this model; `force` accepts other weight processing. */
  checkFits(model: ModelFacts, force: boolean): void
  splice(options: SpliceOptions): Splice
  /** @throws ArgumentError when there is no latent of this number. */
  checkLatent(latent: number): void
  /** Latents [B,P,S] of a value at the hook point; only some of them, in this order, where they are named. The caller owns them. */
  encode(x: tf.Tensor, options?: { readonly latents?: readonly number[] }): tf.Tensor
  /**
   * What one unit of each latent writes at the hook point (where there is one, at `hookNameOut`) [S,D], or of some, in
   * this order, and what is written whatever fires [D]. The caller owns both.
   * @throws MismatchError where that depends on the input (an SAE that puts the input's own norm back)
   */
  writes(options?: { readonly latents?: readonly number[] }): { directions: tf.Tensor2D; bias: tf.Tensor1D }
}
