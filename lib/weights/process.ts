/**
 * Weight processing, as TransformerLens does it on loading: rewrites of the weights that leave the model's predictions
 * as they are (logits up to a constant a position) and make its parts easier to read. Pure functions from named tensors
 * to named tensors. What they need to know of an architecture stands in an `Anatomy`.
 */
import * as tf from '@tensorflow/tfjs'
import { isTurned } from './turned.js'

/** Which rewrites were done. They are part of what an SAE was trained on, so every model records them. */
export interface ProcessingFlags {
  /** Norm weights and biases folded into the matrices that read the norm's output, which are then centred. */
  readonly foldLn: boolean
  /** The mean over d_model taken out of everything that is written to the residual stream. */
  readonly centerWritingWeights: boolean
  /** The mean over the vocabulary taken out of the unembedding. */
  readonly centerUnembed: boolean
  /** b_V moved into b_O: attention patterns sum to 1. */
  readonly foldValueBiases: boolean
  /**
   * Each head's matrices made singular value decompositions (refactor.ts), value biases folded with them.
   * @default false, also where all processing is asked for, as in TransformerLens
   */
  readonly refactorFactoredAttnMatrices?: boolean
}

export const allProcessing: ProcessingFlags = {
  foldLn: true,
  centerWritingWeights: true,
  centerUnembed: true,
  foldValueBiases: true,
}
export const noProcessing: ProcessingFlags = {
  foldLn: false,
  centerWritingWeights: false,
  centerUnembed: false,
  foldValueBiases: false,
}

/** A linear map: names of its matrix [in,out] (or [out,in], turned.ts) and bias [out]. */
export interface LinearNames {
  readonly W: string
  readonly b?: string
}

/** Where an architecture keeps what processing rewrites. */
export interface Anatomy {
  /** Whether the norms centre their input (LayerNorm) or not (RMSNorm). */
  readonly normalization: 'LN' | 'RMS'
  /** Norms and the linear maps that read their output. Where the norm has a bias, its readers must have one too. */
  readonly norms: readonly { weight: string; bias?: string; readers: readonly LinearNames[] }[]
  /** What writes to the residual stream: matrices [*,D] and biases [D]. */
  readonly writers: readonly LinearNames[]
  /**
   * Value biases: their slice [begin, begin + size) of `b`, each head's (of `dHead` numbers) for `repeat` query heads,
   * and the matrix [H·K,D] and bias [D] they go through.
   */
  readonly values: readonly {
    b: string
    begin: number
    size: number
    dHead: number
    repeat: number
    W_O: string
    b_O: string
  }[]
  /** `tiedTo`: the embedding [V,D] that the unembedding is; W then holds its scale [D,1]. */
  readonly unembed: { W: string; b: string; tiedTo?: string }
  /** The logits are soft-capped: centring the unembedding would change what is predicted. */
  readonly softCapped?: boolean
}

/** Named weights during processing. Tied weights must have been separated: each name its own tensor. */
export type NamedTensors = Map<string, tf.Tensor>

/**
 * What can be done of what is asked for: RMS norms see the mean of the residual stream, so writing weights are not
 * centred for them, and a soft-cap sees the mean of the logits.
 */
export function possibleProcessing(flags: ProcessingFlags, anatomy: Anatomy): ProcessingFlags {
  return {
    ...flags,
    centerWritingWeights: flags.centerWritingWeights && anatomy.normalization === 'LN',
    centerUnembed: flags.centerUnembed && !anatomy.softCapped,
  }
}

/**
 * Runs the chosen rewrites in TransformerLens's order; `flags` as `possibleProcessing` gives them. Tensors it replaces
 * are disposed: the map is consumed, so that a model is never in memory twice.
 */
export function processWeights(weights: NamedTensors, anatomy: Anatomy, flags: ProcessingFlags): NamedTensors {
  if (flags.foldLn) foldLn(weights, anatomy)
  if (flags.centerWritingWeights) centerWritingWeights(weights, anatomy)
  if (flags.centerUnembed) centerUnembed(weights, anatomy)
  if (flags.foldValueBiases) foldValueBiases(weights, anatomy, flags.centerWritingWeights)
  return weights
}

/** b += biasₗₙ · W, then W *= weightₗₙ, then W's columns centred over d_model where the norm's output is. */
export function foldLn(weights: NamedTensors, anatomy: Anatomy): void {
  for (const { weight, bias, readers } of anatomy.norms) {
    const scale = take(weights, weight)
    const shift = bias === undefined ? undefined : take(weights, bias)
    for (const { W, b } of readers) {
      const [inputs, byInput] = isTurned(W) ? [1, [1, -1]] : [0, [-1, 1]]
      if (shift) {
        replace(weights, b!, (old) =>
          old.add(tf.matMul(shift.reshape([1, -1]), need(weights, W) as tf.Tensor2D, false, isTurned(W)).reshape([-1])),
        )
      }
      // one after the other, so that an unembedding is in memory twice, not three times
      replace(weights, W, (matrix) => matrix.mul(scale.reshape(byInput)))
      if (anatomy.normalization === 'LN') replace(weights, W, (matrix) => matrix.sub(matrix.mean(inputs, true)))
    }
    scale.dispose()
    shift?.dispose()
  }
}

/** Takes the mean over d_model out of everything that writes to the residual stream: a LayerNorm ignores it. */
export function centerWritingWeights(weights: NamedTensors, anatomy: Anatomy): void {
  for (const { W, b } of anatomy.writers) {
    replace(weights, W, (matrix) => matrix.sub(matrix.mean(-1, true)))
    if (b !== undefined) replace(weights, b, (bias) => bias.sub(bias.mean()))
  }
}

/** Takes the mean over the vocabulary out of W_U and b_U: a softmax ignores it (a soft-cap does not). */
export function centerUnembed(weights: NamedTensors, anatomy: Anatomy): void {
  if (anatomy.unembed.tiedTo === undefined)
    replace(weights, anatomy.unembed.W, (matrix) => matrix.sub(matrix.mean(-1, true)))
  else
    weights.set(
      'unembed.mean',
      tf.tidy(() => need(weights, anatomy.unembed.tiedTo!).mean(0).reshape([-1, 1])),
    )
  replace(weights, anatomy.unembed.b, (bias) => bias.sub(bias.mean()))
}

/** b_O += b_V · W_O and b_V = 0; b_O is centred again when the writing weights are. */
export function foldValueBiases(weights: NamedTensors, anatomy: Anatomy, centred: boolean): void {
  for (const { b, begin, size, dHead, repeat, W_O, b_O } of anatomy.values) {
    replace(weights, b_O, (bias) => {
      const values = need(weights, b).slice([begin], [size]).reshape([-1, 1, dHead]).tile([1, repeat, 1])
      const moved = bias.add(tf.matMul(values.reshape([1, -1]), need(weights, W_O) as tf.Tensor2D).reshape([-1]))
      return centred ? moved.sub(moved.mean()) : moved
    })
    replace(weights, b, (bias) => {
      const after = bias.size - begin - size
      return tf.concat([bias.slice([0], [begin]), tf.zeros([size]), bias.slice([begin + size], [after])])
    })
  }
}

/**
 * Whether a flag changes the activation at a hook point of a LayerNorm model: centring shows wherever the residual
 * stream does, value biases in v, z and what heads write; folding only moves what the unembedding reads.
 */
export function layerNormDependsOn(flag: keyof ProcessingFlags, hookName: string): boolean {
  const point = hookName.replace(/^blocks\.\d+\./, '')
  if (flag === 'foldValueBiases') return /^attn\.hook_(v|z|result)$/.test(point)
  if (flag === 'centerWritingWeights') return /^hook_|^attn\.hook_result$/.test(point)
  if (flag === 'foldLn') return point === 'unembed.hook_in'
  if (flag === 'refactorFactoredAttnMatrices') return /^attn\.hook_[qkvz]$/.test(point)
  return point === 'unembed.hook_out' // centerUnembed
}

/**
 * The same for a model of RMS norms without biases that write to the residual stream: nothing is centred, and folding
 * moves only what the unembedding reads. Value biases, where heads have them, show in v, z and what heads write.
 */
export function rmsNormDependsOn(
  flag: keyof ProcessingFlags,
  hookName: string,
  has: { readonly valueBiases: boolean },
): boolean {
  if (flag === 'centerWritingWeights') return false
  if (flag === 'foldValueBiases') return has.valueBiases && layerNormDependsOn(flag, hookName)
  return layerNormDependsOn(flag, hookName)
}

function need(weights: NamedTensors, name: string): tf.Tensor {
  const tensor = weights.get(name)
  if (!tensor) throw new Error(`process: the anatomy names a weight '${name}' that is not there`)
  return tensor
}

function take(weights: NamedTensors, name: string): tf.Tensor {
  const tensor = need(weights, name)
  weights.delete(name)
  return tensor
}

function replace(weights: NamedTensors, name: string, rewrite: (old: tf.Tensor) => tf.Tensor): void {
  const old = need(weights, name)
  weights.set(
    name,
    tf.tidy(() => rewrite(old)),
  )
  old.dispose()
}
